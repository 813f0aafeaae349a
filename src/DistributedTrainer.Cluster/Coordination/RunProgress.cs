using System.Text.Json.Serialization;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>One failure that the run got over.</summary>
/// <param name="Step">The first step that was applied after it.</param>
/// <param name="Cause">What failed.</param>
/// <param name="Seconds">From the failure until then.</param>
/// <param name="StepsRepeated">Steps that were taken before and had to be taken again; null: none.</param>
internal sealed record Recovery(long Step, string Cause, double Seconds, long? StepsRepeated = null);

/// <summary>A setting that was changed while the run went on.</summary>
/// <param name="Step">The first step that was taken with it.</param>
/// <param name="Key">Such as <c>training.mode</c>.</param>
/// <param name="From">What it was.</param>
/// <param name="To">What it is since.</param>
internal sealed record RunChange(long Step, string Key, string From, string To);

/// <summary>What evaluations say of a version.</summary>
internal sealed record EvaluatedVersion(long Version, SetSums? Validation, SetSums? Test, LayerUnits[]? Units);

/// <summary>What of a run's course is in a checkpoint: what its metrics do not say.</summary>
/// <param name="Seconds">Since the beginning, without the time between two sittings.</param>
/// <param name="Recoveries">So far.</param>
/// <param name="Last">The last evaluation; null: none yet.</param>
/// <param name="Best">The best one; null: none yet.</param>
/// <param name="Finished">Whether training ended with the last one.</param>
/// <param name="Changes">Of settings, so far; null: none.</param>
internal sealed record ProgressMemory(
    double Seconds, Recovery[] Recoveries, EvaluatedVersion? Last, EvaluatedVersion? Best, bool Finished = false,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] RunChange[]? Changes = null);

/// <summary>What is known of a run's course, and what of it goes into the run folder. Time is given, never asked for.</summary>
internal sealed class RunProgress(TrainingPlan plan, RunFolder folder, TimeSpan startedAt)
{
    // Speed is that of the last two seconds: long enough to be steady, short enough to show a change.
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(2);

    private readonly Queue<(TimeSpan At, long Rows, long Step)> _recent = new();
    private readonly List<Recovery> _recoveries = [];
    private readonly List<RunChange> _changes = [];
    private (TimeSpan At, string Cause)? _failure;
    private long _goingOnFrom;
    private (double Loss, long Rows) _epoch;
    private (double Loss, long Rows) _lastEpoch;
    private long _rows;
    private long _stepsHere;
    private long _counted;
    private TimeSpan? _beganAt;
    private long? _firstApplied;
    private TimeSpan _lastAt;

    // The last step and the last evaluation that the metrics hold: what is told again says the same, and is not written again.
    private long _known;
    private long _knownEvaluation = -1;
    private EvaluatedVersion? _last;
    private EvaluatedVersion? _best;
    private double _secondsBefore;
    private long? _repeated;

    public long Step { get; private set; }

    /// <summary>The last step and the last evaluated version that the metrics hold; −1: none.</summary>
    public (long Step, long Evaluation) Known => (_known, _knownEvaluation);

    public long Epoch => Math.Min(Step / plan.Schedule.StepsPerEpoch, Epochs);

    public long Epochs => (plan.TotalSteps + plan.Schedule.StepsPerEpoch - 1) / plan.Schedule.StepsPerEpoch;

    public double Loss { get; private set; } = double.NaN;

    /// <summary>Steps that were left out, since they were not finite.</summary>
    public long Skipped { get; private set; }

    public SetSums? Validation { get; private set; }

    public SetSums? Test { get; private set; }

    /// <summary>The activation layers on the validation rows, or else the test rows; null where neither was evaluated, or there are no such layers.</summary>
    public LayerUnits[]? Units { get; private set; }

    public bool Finished { get; private set; }

    /// <summary>Whether the run ends for now with the version that was evaluated last, and is to be resumed.</summary>
    public bool Pauses => !Finished && _last is { } last && plan.PausesAt(last.Version);

    /// <summary>The version whose parameters are the result, once finished: the last one, or the best one where early stopping restores it.</summary>
    public long KeptVersion { get; private set; }

    public IReadOnlyList<Recovery> Recoveries => _recoveries;

    /// <summary>Settings that were changed while the run went on.</summary>
    public IReadOnlyList<RunChange> Changes => _changes;

    /// <summary>The step from which on the present mode holds.</summary>
    public long ModeSince => _changes.LastOrDefault(static change => change.Key is RunSettings.Mode or RunSettings.Staleness)?.Step ?? 0;

    public TimeSpan StartedAt { get; } = startedAt;

    /// <summary>What goes into a checkpoint of the version that was told last.</summary>
    public ProgressMemory Memory(TimeSpan now) => new(Seconds(now), [.. _recoveries], _last, _best, Finished, _changes.Count == 0 ? null : [.. _changes]);

    /// <summary>Goes on after an earlier sitting: what it has written down, and what its checkpoint holds.</summary>
    /// <param name="step">Steps that were applied.</param>
    /// <param name="memory">Of the checkpoint; null: from the beginning.</param>
    /// <param name="lines">Of metrics.jsonl: each of these steps once.</param>
    public void Resume(long step, ProgressMemory? memory, IEnumerable<MetricLine> lines)
    {
        foreach (var line in lines)
        {
            if (line.IsStep)
            {
                Fold(line.Step, line.Loss, plan.RowsIn(line.Step - 1));
            }
            else
            {
                _knownEvaluation = line.Step;
            }
        }

        Step = _known = Math.Max(step, Step);

        if (memory is not null)
        {
            (_last, _best, _secondsBefore) = (memory.Last, memory.Best, memory.Seconds);
            (Validation, Test, Units) = (_last?.Validation, _last?.Test, _last?.Units);
            _recoveries.AddRange(memory.Recoveries);
            _changes.AddRange(memory.Changes ?? []);
            Finished = memory.Finished;
            Keep();
        }

        // Whatever is there may be of another course, or of another run in the same place.
        Remember();
    }

    /// <summary>From this step on other settings hold.</summary>
    public void Changed(long step, IEnumerable<SettingChange> changes)
    {
        _changes.AddRange(changes.Select(change => new RunChange(step, change.Key, change.From, change.To)));
        Remember();
    }

    /// <summary>What is different now, and was not noted: whoever changed it died at it, or it is a new sitting.</summary>
    /// <param name="before">As it was where nothing is noted.</param>
    /// <param name="now">As it is trained now.</param>
    public SettingChange[] Unnoted(Experiment before, Experiment now) =>
        [.. RunSettings.Of(now).Zip(RunSettings.Of(before), (value, was) => new SettingChange(
            value.Key, _changes.LastOrDefault(change => change.Key == value.Key)?.To ?? was.Value, value.Value)).Where(static change => change.From != change.To)];

    /// <summary>Training goes back to this step, and takes whatever follows with the settings as they are.</summary>
    public void GoingBack(long step)
    {
        for (var i = 0; i < _changes.Count; i++)
        {
            _changes[i] = _changes[i] with { Step = Math.Min(_changes[i].Step, step) };
        }
    }

    public void StepsApplied(Partitions.StepsApplied applied, TimeSpan now)
    {
        if (applied.First.Value + applied.LossSums.Length > _goingOnFrom)
        {
            Recovered(Math.Max(applied.First.Value, _goingOnFrom), now);
        }

        for (var i = 0; i < applied.Rows.Length; i++)
        {
            if (applied.First.Value + i >= _counted)
            {
                (_rows, _stepsHere, _counted) = (_rows + applied.Rows[i], _stepsHere + 1, applied.First.Value + i + 1);
            }
        }

        _recent.Enqueue((now, _rows, _stepsHere));
        _lastAt = now;
        var speed = RowsPerSecond(now);
        for (var i = 0; i < applied.LossSums.Length; i++)
        {
            _firstApplied ??= applied.Microseconds[i];
            var step = applied.First.Value + i + 1;
            if (step <= _known)
            {
                continue;
            }

            _known = step;
            var skipped = Array.IndexOf(applied.Skipped, i) >= 0;
            Fold(step, skipped ? null : applied.LossSums[i] / applied.Rows[i], applied.Rows[i]);
            folder.Metric(new
            {
                Step,
                Epoch = (double)Step / plan.Schedule.StepsPerEpoch,
                Loss = skipped ? (double?)null : Loss,
                Skipped = skipped ? true : (bool?)null,
                Mode = ModeOf(step - 1),
                LearningRate = (float)applied.LearningRates[i],
                RowsPerSecond = Math.Round(speed),
                // When the server applied it, from the first step on.
                Seconds = (applied.Microseconds[i] - _firstApplied.Value) / 1e6,
            });
        }
    }

    /// <summary>The mode that a step was taken in; null: there was only one.</summary>
    private string? ModeOf(long step)
    {
        if (_changes.Count == 0)
        {
            return null;
        }

        var modes = _changes.Where(static change => change.Key == RunSettings.Mode).ToArray();
        return modes.Length == 0 ? null : modes.LastOrDefault(change => change.Step <= step)?.To ?? modes[0].From;
    }

    /// <summary>What had failed last, if anything, is got over.</summary>
    public void Recovered(long step, TimeSpan now)
    {
        if (_failure is { } failure)
        {
            _failure = null;
            _recoveries.Add(new Recovery(step, failure.Cause, (now - failure.At).TotalSeconds, _repeated));
        }
    }

    /// <summary>One step more. The mean is summed up, since it is what the metrics hold: a resumed run must come to the same.</summary>
    /// <param name="step">From 1.</param>
    /// <param name="loss">Null: it was skipped, and the mean is that of the others.</param>
    /// <param name="rows">Its rows.</param>
    private void Fold(long step, double? loss, int rows)
    {
        Step = step;
        if (loss is { } mean)
        {
            Loss = mean;
            _epoch = (_epoch.Loss + mean * rows, _epoch.Rows + rows);
        }
        else
        {
            Skipped++;
        }

        if (Step % plan.Schedule.StepsPerEpoch == 0 || Step == plan.TotalSteps)
        {
            _lastEpoch = _epoch;
            _epoch = default;
        }
    }

    public void Evaluated(Partitions.Evaluated evaluated)
    {
        var version = evaluated.Version.Value;
        var isNew = version > _knownEvaluation;
        _knownEvaluation = Math.Max(version, _knownEvaluation);
        _last = new EvaluatedVersion(
            version, evaluated.Validation.Rows > 0 ? evaluated.Validation : null, evaluated.Test.Rows > 0 ? evaluated.Test : null, evaluated.Units.Length > 0 ? evaluated.Units : null);
        (Validation, Test, Units) = (_last.Validation, _last.Test, _last.Units);
        Finished = evaluated.Last;
        if (evaluated.Best.Value == version)
        {
            _best = _last;
        }

        if (isNew && (Validation is not null || Test is not null))
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

        Keep();
        folder.FlushMetrics();
        Remember();
    }

    /// <summary>Whether training ended with this version, be it for now.</summary>
    public bool IsOverAt(long version) => (Finished || Pauses) && _last?.Version == version;

    private void Keep()
    {
        if (Finished && plan.RestoresBest && _best is { } best)
        {
            (KeptVersion, Validation, Test, Units) = (best.Version, best.Validation, best.Test, best.Units);
        }
        else
        {
            KeptVersion = _last?.Version ?? 0;
        }
    }

    /// <summary>For a coordinator that begins anew; its seconds are those up to the last steps that were told.</summary>
    private void Remember() => folder.Remember(Memory(_lastAt > StartedAt ? _lastAt : StartedAt));

    /// <summary>The run ends at this version, before its time; later steps, if any were told, do not count.</summary>
    public void StoppedAt(long version) => (Step, KeptVersion) = (version, version);

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
            _recent.Enqueue((now, 0, 0));
        }

        // Steps that are taken again count as work; those that are only told again do not.
        _counted = Math.Min(_counted, version);
        (_goingOnFrom, _repeated) = (version, version < Step ? Step - version : null);
    }

    public double RowsPerSecond(TimeSpan now) => PerSecond(now, _rows, static entry => entry.Rows);

    public double StepsPerSecond(TimeSpan now) => PerSecond(now, _stepsHere, static entry => entry.Step);

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
        Paused = Pauses && Step == _last?.Version ? true : (bool?)null,
        BestStep = KeptVersion == Step || KeptVersion == 0 ? (long?)null : KeptVersion,
        SkippedSteps = Skipped > 0 ? Skipped : (long?)null,
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
        Seconds = Math.Round(Seconds(now), 3),
        Recoveries,
        Changes = _changes.Count == 0 ? null : _changes.Select(static change => new { change.Step, What = $"{change.Key}: {change.To}, was {change.From}", change.Key, change.From, change.To }),
    };

    /// <summary>Seconds of training so far, earlier sittings included.</summary>
    public double Seconds(TimeSpan now) => _secondsBefore + (now - StartedAt).TotalSeconds;

    public double? Mean(SetSums? sums) => sums is null ? null : sums.Loss / sums.Rows;

    public double? Accuracy(SetSums? sums) => sums is null || !plan.IsClassification ? null : (double)sums.Correct / sums.Rows;
}
