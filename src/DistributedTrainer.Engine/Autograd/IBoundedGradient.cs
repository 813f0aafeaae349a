using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Autograd;

/// <summary>An operation whose weight gradient is a product, so that its factors bound it.</summary>
internal interface IBoundedGradient
{
    /// <summary>The weights.</summary>
    ParameterSlot Slot { get; }

    /// <summary>How many numbers the bound is made of.</summary>
    int NumbersToRead(LeafSegment leaf);

    /// <summary>No element of the leaf's gradient is larger, but for the rounding of its sum. NaN or infinite: there is no bound.</summary>
    double Bound(Pass pass, LeafSegment leaf);
}
