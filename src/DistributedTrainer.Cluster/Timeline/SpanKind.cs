namespace DistributedTrainer.Cluster.Timeline;

/// <summary>What a part of a step was spent on. The numbers travel and are written to files: none is used for anything else later.</summary>
public enum SpanKind
{
    /// <summary>A worker computes its leaves.</summary>
    Compute = 0,

    /// <summary>It hands its gradients, or statistics, to the channel.</summary>
    Push = 1,

    /// <summary>It waits for a server.</summary>
    Wait = 2,

    /// <summary>It copies the next version to where it computes.</summary>
    Pull = 3,

    /// <summary>It reads the rows of the next step, while others still compute.</summary>
    Prepare = 4,

    /// <summary>It evaluates a version on its shards.</summary>
    Evaluate = 5,

    /// <summary>A partition adds a node of the tree that has come to one that was there.</summary>
    Sum = 6,

    /// <summary>It applies the optimizer, and adds the last two nodes on the way.</summary>
    Update = 7,
}
