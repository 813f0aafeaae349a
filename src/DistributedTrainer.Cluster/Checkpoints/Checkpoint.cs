using DistributedTrainer.Engine.Diagnostics;

namespace DistributedTrainer.Cluster.Checkpoints;

/// <summary>The whole state of a run at one version, in flat vectors: cut anew, it serves any number of partitions.</summary>
internal sealed class Checkpoint(CheckpointManifest manifest)
{
    public CheckpointManifest Manifest => manifest;

    public long Step => manifest.Step;

    public float[] Parameters { get; } = new float[manifest.Parameters];

    public float[] RunningStatistics { get; } = new float[manifest.RunningStatistics];

    public float[][] State { get; } = [.. Enumerable.Range(0, manifest.StateVectors).Select(_ => new float[manifest.Parameters])];

    /// <summary>The version that early stopping may go back to; null: there is none.</summary>
    public FlatVersion? Best { get; set; }

    /// <summary>Whether training can go on from it.</summary>
    public bool IsFinite => FiniteCheck.IsFinite(Parameters) && FiniteCheck.IsFinite(RunningStatistics);
}

/// <summary>Parameters and running statistics of one version.</summary>
internal sealed record FlatVersion(float[] Parameters, float[] RunningStatistics);
