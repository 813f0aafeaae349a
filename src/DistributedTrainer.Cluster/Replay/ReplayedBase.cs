using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Replay;

/// <summary>A gradient as it was pushed.</summary>
internal sealed record ReplayedGradient(float[] Values, double LossSum, int Rows, LeafFault Fault, double Norm);

/// <summary>
/// What a worker computed a step with: parts of the parameters that partitions sent it at different times, each at the place
/// that its log has for it.
/// </summary>
internal sealed class ReplayedBase(int[] shards, string worker, int parameters, int partitions)
{
    public int[] Shards => shards;

    public string Worker => worker;

    public float[] Parameters { get; } = new float[parameters];

    /// <summary>Partitions that have not sent their part.</summary>
    public int Missing { get; set; } = partitions;

    /// <summary>Partitions that have sent this worker something newer.</summary>
    public int Closed { get; set; }

    /// <summary>The step that the worker computed: the first that any partition lacked.</summary>
    public long Step { get; set; } = long.MaxValue;

    /// <summary>Whether any partition wanted the leaves one by one.</summary>
    public bool Apart { get; set; }

    /// <summary>Updates of the lead partition before it sent its part.</summary>
    public long Version { get; set; }

    /// <summary>By what was pushed; null: not computed yet.</summary>
    public Dictionary<TreeNode, ReplayedGradient>? Gradients { get; set; }
}
