using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>Steps that follow one another.</summary>
internal sealed record StepBatch(long First, double[] LossSums, int[] Rows, double[] LearningRates, long[] Microseconds, int[] Skipped);

/// <summary>
/// Steps that were applied, and evaluations between them, that are not known to be written down. The data plane's threads
/// write, the actor takes; what was taken stays until it is forgotten, so that it can be told again.
/// </summary>
internal sealed class StepLog
{
    /// <summary>A batch holds at most this many steps: about 40 KB as a message, far below the frame size.</summary>
    public const int Limit = 1000;

    private readonly List<(long Step, double LossSum, int Rows, float LearningRate, long Microseconds, bool Skipped)> _steps = [];
    private readonly List<Partitions.Evaluated> _evaluations = [];

    // How many of them were taken.
    private int _toldSteps;
    private int _toldEvaluations;

    /// <summary>Whether something was taken and is not known to be written down.</summary>
    public bool IsWaiting
    {
        get
        {
            lock (_steps)
            {
                return _toldSteps + _toldEvaluations > 0;
            }
        }
    }

    /// <summary>Adds the next step. Returns how many are waiting to be told.</summary>
    public int Add(long step, double lossSum, int rows, float learningRate, long microseconds, bool skipped = false)
    {
        lock (_steps)
        {
            _steps.Add((step, lossSum, rows, learningRate, microseconds, skipped));
            return _steps.Count - _toldSteps;
        }
    }

    /// <summary>Adds an evaluation: steps before its version are told before it, and the others after it.</summary>
    public void Add(Partitions.Evaluated evaluated)
    {
        lock (_steps)
        {
            _evaluations.Add(evaluated);
        }
    }

    /// <summary>
    /// Takes what comes next and was not told: an evaluation, or the oldest steps, at most <see cref="Limit"/>. Null: nothing.
    /// </summary>
    /// <param name="least">Steps are taken where at least so many are waiting.</param>
    /// <param name="before">Only steps before this one.</param>
    public (StepBatch? Steps, Partitions.Evaluated? Evaluated)? Take(int least = 1, long before = long.MaxValue)
    {
        lock (_steps)
        {
            var evaluated = _toldEvaluations < _evaluations.Count ? _evaluations[_toldEvaluations] : null;
            var until = Math.Min(before, evaluated?.Version.Value ?? long.MaxValue);
            if (_toldSteps < _steps.Count && _steps[_toldSteps].Step < until)
            {
                return _steps.Count - _toldSteps < least && evaluated is null ? null : (TakeSteps(until), null);
            }

            if (evaluated is null || evaluated.Version.Value >= before)
            {
                return null;
            }

            _toldEvaluations++;
            return (null, evaluated);
        }
    }

    /// <summary>The steps up to this one, and the evaluations up to this version, are written down.</summary>
    public void Forget(long step, long version)
    {
        lock (_steps)
        {
            var known = 0;
            while (known < _toldSteps && _steps[known].Step <= step)
            {
                known++;
            }

            _steps.RemoveRange(0, known);
            _toldSteps -= known;
            while (_toldEvaluations > 0 && _evaluations[0].Version.Value <= version)
            {
                _evaluations.RemoveAt(0);
                _toldEvaluations--;
            }
        }
    }

    /// <summary>What was told may not have been heard.</summary>
    public void TellAgain()
    {
        lock (_steps)
        {
            (_toldSteps, _toldEvaluations) = (0, 0);
        }
    }

    private StepBatch TakeSteps(long until)
    {
        // They follow one another.
        var first = _steps[_toldSteps].Step;
        var count = (int)Math.Min(Math.Min(_steps.Count - _toldSteps, Limit), until - first);
        var skipped = Enumerable.Range(0, count).Where(i => _steps[_toldSteps + i].Skipped).ToArray();
        var batch = new StepBatch(first, new double[count], new int[count], new double[count], new long[count], skipped);
        for (var i = 0; i < count; i++)
        {
            (_, batch.LossSums[i], batch.Rows[i], batch.LearningRates[i], batch.Microseconds[i], _) = _steps[_toldSteps++];
        }

        return batch;
    }
}
