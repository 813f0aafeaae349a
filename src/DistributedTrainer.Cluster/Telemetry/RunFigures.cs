namespace DistributedTrainer.Cluster.Telemetry;

/// <summary>How a run stands, as the coordinator last saw it, in numbers for whoever watches the cluster.</summary>
internal sealed record RunFigures
{
    /// <summary>Its name.</summary>
    public required string Run { get; init; }

    /// <summary>Its generation.</summary>
    public long Generation { get; init; }

    /// <summary>Steps that are done.</summary>
    public long Step { get; init; }

    /// <summary>Steps that it will have, if it does not stop early.</summary>
    public long Steps { get; init; }

    /// <summary>Mean loss of the last step; NaN: none yet.</summary>
    public double Loss { get; init; }

    /// <summary>Of the last evaluation; null: none yet.</summary>
    public double? ValidationLoss { get; init; }

    /// <summary>As above.</summary>
    public double? ValidationAccuracy { get; init; }

    /// <summary>Of the last seconds.</summary>
    public double RowsPerSecond { get; init; }

    /// <summary>Failures that training went on after.</summary>
    public long Recoveries { get; init; }

    /// <summary>The time from each to its first new step, added up.</summary>
    public double RecoverySeconds { get; init; }

    /// <summary>Checkpoints that this coordinator has written.</summary>
    public long Checkpoints { get; init; }

    /// <summary>The time from the first partition's putting aside until each was written, added up.</summary>
    public double CheckpointSeconds { get; init; }

    /// <summary>Their bytes.</summary>
    public long CheckpointBytes { get; init; }
}
