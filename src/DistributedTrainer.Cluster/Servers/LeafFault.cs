namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// What is wrong with the numbers of a leaf, or of any leaf under a node. The worker sees the whole gradient of a leaf and
/// tells it with the push of each part, so that every partition decides the same about the step.
/// </summary>
[Flags]
internal enum LeafFault : byte
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The loss or the gradient is NaN, infinite or too large to be summed: the step must not be applied.</summary>
    NotFinite = 1,

    /// <summary>The parameters are: no step can be, so that leaving this one out would not help.</summary>
    InParameters = 2,
}
