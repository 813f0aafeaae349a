using DistributedTrainer.Cluster.Replay;
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

    /// <summary>
    /// How it came about, where each push is an update of its own: from the start of the run, if nothing of it was lost. What
    /// is fetched is only what came since partitions began; the folder adds what was before. Empty: it follows from the
    /// experiment.
    /// </summary>
    public IReadOnlyList<OrderSection> Orders { get; set; } = [];

    /// <summary>Whether what was not sent yet of each shard's gradients was put aside with it.</summary>
    public bool HasResiduals => !State.Any(static vector => vector.Length > 0 && float.IsNaN(vector[0]));

    /// <summary>Nothing follows it, so that nobody needs what was not sent.</summary>
    public void DropResiduals()
    {
        foreach (var vector in State.Where(static vector => vector.Length > 0 && float.IsNaN(vector[0])))
        {
            Array.Clear(vector);
        }
    }

    /// <summary>Whether training can go on from it.</summary>
    public bool IsFinite => FiniteCheck.IsFinite(Parameters) && FiniteCheck.IsFinite(RunningStatistics);
}

/// <summary>Parameters and running statistics of one version.</summary>
internal sealed record FlatVersion(float[] Parameters, float[] RunningStatistics);
