namespace DistributedTrainer.Experiments;

/// <summary>All of a run: what <see cref="ExperimentReader"/> reads and <see cref="ExperimentWriter"/> writes. Two experiments with the same values are equal.</summary>
public sealed record Experiment
{
    /// <summary>Names the run folder; default: the file's name.</summary>
    public string Name { get; init; } = "experiment";

    /// <summary>Keys every random number of the run.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>Where the rows come from and what is done to them.</summary>
    public required DataOptions Data { get; init; }

    /// <summary>The network.</summary>
    public required ModelOptions Model { get; init; }

    /// <summary>
    /// What is minimised; null: by the task, which the data shows: see <see cref="LossOptions.DefaultFor"/>. Where the
    /// experiment alone tells the task, its reader fills it in.
    /// </summary>
    public LossOptions? Loss { get; init; }

    /// <summary>The update rule.</summary>
    public OptimizerOptions Optimizer { get; init; } = new();

    /// <summary>How long and in what portions.</summary>
    public TrainingOptions Training { get; init; } = new();

    /// <summary>Who computes it. Nothing here changes the result.</summary>
    public ClusterOptions Cluster { get; init; } = new();

    /// <summary>How often the state of a run is written. Nothing here changes the result.</summary>
    public CheckpointOptions Checkpoint { get; init; } = new();

    /// <summary>What <c>dtrain tune</c> searches; null: nothing. Training does not read it.</summary>
    public TuneOptions? Tune { get; init; }
}
