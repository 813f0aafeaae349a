using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>One failure that the run got over.</summary>
internal sealed record Recovery(long Step, string Cause, double Seconds);

/// <summary>What is known of a run's course, and what of it goes into the run folder. Time is given, never asked for.</summary>
internal sealed class RunProgress(TrainingPlan plan, RunFolder folder, TimeSpan startedAt)
{
    // Speed is that of the last two seconds: long enough to be steady, short enough to show a change.
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(2);

    private readonly Queue<(TimeSpan At, long Rows, long Step)> _recent = new();
    private readonly List<Recovery> _recoveries = [];
    private (TimeSpan At, string Cause)? _failure;
    private long _goingOnFrom;
    private (double Loss, long Rows) _epoch;
    private (double Loss, long Rows) _lastEpoch;
    private long _rows;
    private TimeSpan? _beganAt;
    private long? _firstApplied;
    private TimeSpan _lastAt;
    private (long Version, SetSums? Validation, SetSums? Test, LayerUnits[]? Units) _best;

    public long Step { get; private set; }

    public long Epoch => Math.Min(Step / plan.Schedule.StepsPerEpoch, Epochs);

    public long Epochs => (plan.TotalSteps + plan.Schedule.StepsPerEpoch - 1) / plan.Schedule.StepsPerEpoch;

    public double Loss { get; private set; } = double.NaN;

    public SetSums? Validation { get; private set; }

    public SetSums? Test { get; private set; }

    /// <summary>The activation layers on the validation rows, or else the test rows; null where neither was evaluated, or there are no such layers.</summary>
    public LayerUnits[]? Units { get; private set; }

    public bool Finished { get; private set; }

    /// <summary>The version whose parameters are the result, once finished: the last one, or the best one where early stopping restores it.</summary>
    public long KeptVersion { get; private set; }

    public IReadOnlyList<Recovery> Recoveries => _recoveries;

    public TimeSpan StartedAt { get; } = startedAt;

    public void StepsApplied(Partitions.StepsApplied applied, TimeSpan now)
    {
        if (_failure is { } failure && applied.First.Value + applied.LossSums.Length > _goingOnFrom)
        {
            _failure = null;
            _recoveries.Add(new Recovery(applied.First.Value, failure.Cause, (now - failure.At).TotalSeconds));
        }

        _rows += applied.Rows.Sum(static rows => (long)rows);
        _recent.Enqueue((now, _rows, applied.First.Value + applied.LossSums.Length));
        _lastAt = now;
        var speed = RowsPerSecond(now);
        for (var i = 0; i < applied.LossSums.Length; i++)
        {
            var step = applied.First.Value + i;
            var (loss, rows) = (applied.LossSums[i], applied.Rows[i]);
            Step = step + 1;
            Loss = loss / rows;
            _epoch = (_epoch.Loss + loss, _epoch.Rows + rows);
            _firstApplied ??= applied.Microseconds[i];
            folder.Metric(new
            {
                Step,
                Epoch = (double)Step / plan.Schedule.StepsPerEpoch,
                Loss,
                LearningRate = (float)applied.LearningRates[i],
                RowsPerSecond = Math.Round(speed),
                // When the server applied it, from the first step on.
                Seconds = (applied.Microseconds[i] - _firstApplied.Value) / 1e6,
            });
            if (Step % plan.Schedule.StepsPerEpoch == 0 || Step == plan.TotalSteps)
            {
                _lastEpoch = _epoch;
                _epoch = default;
            }
        }
    }

    public void Evaluated(Partitions.Evaluated evaluated)
    {
        var version = evaluated.Version.Value;
        Validation = evaluated.Validation.Rows > 0 ? evaluated.Validation : null;
        Test = evaluated.Test.Rows > 0 ? evaluated.Test : null;
        Units = evaluated.Units.Length > 0 ? evaluated.Units : null;
        Finished = evaluated.Last;
        if (evaluated.Best.Value == version)
        {
            _best = (version, Validation, Test, Units);
        }

        if (Validation is not null || Test is not null)
        {
            folder.Metric(new
            {
                Step = version,
                Epoch = (double)version / plan.Schedule.StepsPerEpoch,
                ValidationLoss = Mean(Validation),
                ValidationAccuracy = Accuracy(Validation),
                TestLoss = Mean(Test),
                TestAccuracy = Accuracy(Test),
                Units,
            });
        }

        if (Finished && plan.EarlyStopping is { RestoreBest: true } && _best.Version > 0)
        {
            (KeptVersion, Validation, Test, Units) = _best;
        }
        else
        {
            KeptVersion = version;
        }

        folder.FlushMetrics();
    }

    /// <summary>The last evaluation in one line.</summary>
    public string EvaluationText(long version)
    {
        var parts = new List<string>();
        Add("validation", Validation);
        Add("test", Test);
        return $"version {version}: {(parts.Count == 0 ? "nothing to evaluate" : string.Join(", ", parts))}";

        void Add(string name, SetSums? sums)
        {
            if (sums is not null)
            {
                parts.Add(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{name} loss {Mean(sums):0.0000}{(Accuracy(sums) is { } accuracy ? $", accuracy {accuracy:0.00%}" : "")}"));
            }
        }
    }

    /// <summary>Something failed; the recovery is over with the first step that is applied under a new assignment.</summary>
    public void Failed(string cause, TimeSpan now)
    {
        _failure ??= (now, cause);
        _goingOnFrom = long.MaxValue;
    }

    /// <summary>A better account of a failure of this node that was told before, such as that its process was killed.</summary>
    public void Explain(NodeId node, string cause)
    {
        if (_failure is { } failure && failure.Cause.Contains(node.Value, StringComparison.Ordinal))
        {
            _failure = failure with { Cause = cause };
        }
        else if (_recoveries.Count > 0 && _recoveries[^1].Cause.Contains(node.Value, StringComparison.Ordinal))
        {
            _recoveries[^1] = _recoveries[^1] with { Cause = cause };
        }
    }

    /// <summary>The work is assigned anew from this version on: steps before it were applied before the failure.</summary>
    public void GoingOnFrom(long version, TimeSpan now)
    {
        if (_beganAt is null)
        {
            _beganAt = now;
            _recent.Enqueue((now, 0, version));
        }

        _goingOnFrom = version;
    }

    public double RowsPerSecond(TimeSpan now) => PerSecond(now, _rows, static entry => entry.Rows);

    public double StepsPerSecond(TimeSpan now) => PerSecond(now, Step, static entry => entry.Step);

    private double PerSecond(TimeSpan now, long count, Func<(TimeSpan At, long Rows, long Step), long> before)
    {
        while (_recent.Count > 2 && now - _recent.Peek().At > Window)
        {
            _recent.Dequeue();
        }

        return _recent.Count < 1 || now <= _recent.Peek().At ? 0 : (count - before(_recent.Peek())) / (now - _recent.Peek().At).TotalSeconds;
    }

    /// <summary>The form of result.json.</summary>
    public object Result(string parametersSha256, TimeSpan now) => new
    {
        Experiment = plan.Experiment.Name,
        plan.Seed,
        Steps = Step,
        BestStep = KeptVersion == Step || KeptVersion == 0 ? (long?)null : KeptVersion,
        Epochs = Math.Round((double)Step / plan.Schedule.StepsPerEpoch, 3),
        ParametersSha256 = parametersSha256,
        Metrics = new
        {
            TrainLoss = _lastEpoch.Rows > 0 ? _lastEpoch.Loss / _lastEpoch.Rows : _epoch.Rows > 0 ? _epoch.Loss / _epoch.Rows : (double?)null,
            ValidationLoss = Mean(Validation),
            ValidationAccuracy = Accuracy(Validation),
            TestLoss = Mean(Test),
            TestAccuracy = Accuracy(Test),
        },
        Units,
        // From the first assignment to the last step: without the start of the processes.
        RowsPerSecond = _beganAt is { } began && _lastAt > began ? Math.Round(_rows / (_lastAt - began).TotalSeconds) : 0,
        Seconds = Math.Round((now - StartedAt).TotalSeconds, 3),
        Recoveries,
    };

    public double? Mean(SetSums? sums) => sums is null ? null : sums.Loss / sums.Rows;

    public double? Accuracy(SetSums? sums) => sums is null || !plan.IsClassification ? null : (double)sums.Correct / sums.Rows;
}
