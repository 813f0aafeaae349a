namespace DistributedTrainer.Cluster.Servers;

/// <summary>Steps that follow one another.</summary>
internal sealed record StepBatch(long First, double[] LossSums, int[] Rows, double[] LearningRates, long[] Microseconds);

/// <summary>
/// Steps that were applied and are not known to be written down. The data plane's threads write, the actor takes; what was
/// taken stays until it is forgotten, so that a coordinator that begins anew can be told again.
/// </summary>
internal sealed class StepLog
{
    /// <summary>A batch holds at most this many steps: about 40 KB as a message, far below the frame size.</summary>
    public const int Limit = 1000;

    private readonly List<(long Step, double LossSum, int Rows, float LearningRate, long Microseconds)> _steps = [];

    // How many of them were taken.
    private int _told;

    /// <summary>Adds the next step. Returns how many are waiting to be told.</summary>
    public int Add(long step, double lossSum, int rows, float learningRate, long microseconds)
    {
        lock (_steps)
        {
            _steps.Add((step, lossSum, rows, learningRate, microseconds));
            return _steps.Count - _told;
        }
    }

    /// <summary>Takes the oldest steps that were not told, at most <see cref="Limit"/>.</summary>
    /// <param name="least">Null where fewer are waiting.</param>
    /// <param name="before">Only steps before this one.</param>
    public StepBatch? Take(int least = 1, long before = long.MaxValue)
    {
        lock (_steps)
        {
            if (_steps.Count - _told < least || _steps[_told].Step >= before)
            {
                return null;
            }

            // They follow one another.
            var first = _steps[_told].Step;
            var count = (int)Math.Min(Math.Min(_steps.Count - _told, Limit), before - first);
            var batch = new StepBatch(first, new double[count], new int[count], new double[count], new long[count]);
            for (var i = 0; i < count; i++)
            {
                (_, batch.LossSums[i], batch.Rows[i], batch.LearningRates[i], batch.Microseconds[i]) = _steps[_told++];
            }

            return batch;
        }
    }

    /// <summary>The steps up to this one are written down.</summary>
    public void Forget(long step)
    {
        lock (_steps)
        {
            var known = 0;
            while (known < _told && _steps[known].Step <= step)
            {
                known++;
            }

            _steps.RemoveRange(0, known);
            _told -= known;
        }
    }

    /// <summary>What was told may not have been heard.</summary>
    public void TellAgain()
    {
        lock (_steps)
        {
            _told = 0;
        }
    }
}
