namespace DistributedTrainer.Cluster.Telemetry;

/// <summary>What listeners of this program's metrics and traces subscribe to.</summary>
public static class TelemetrySource
{
    /// <summary>Name of the meter and of the source of traces.</summary>
    public const string Name = "DistributedTrainer";
}
