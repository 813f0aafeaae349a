using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Autograd;

/// <summary>An operation that takes the means and variances of its input.</summary>
internal interface IBatchMoments
{
    /// <summary>The layer.</summary>
    BatchNormSlot Slot { get; }

    /// <summary>
    /// Whether the moments of a leaf of the last pass are so small that those of all leaves together, and with them the
    /// running statistics, are float32 numbers.
    /// </summary>
    /// <param name="leaf">Its place in the pass.</param>
    bool AreSmall(int leaf);
}
