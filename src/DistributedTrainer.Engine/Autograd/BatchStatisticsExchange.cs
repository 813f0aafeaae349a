using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Engine.Autograd;

/// <summary>
/// Combines batch-norm statistics over all leaves of a step, wherever they are computed. Values of a leaf are two
/// vectors of C columns one after the other: mean and M2 forward, Σ dy and Σ dy·x̂ backward. Calls block until the
/// total is there.
/// </summary>
public interface IBatchStatisticsExchange
{
    /// <summary>Combines moments pairwise in the fixed tree; returns the values behind each channel in the whole global batch: rows · slot.Positions.</summary>
    /// <exception cref="ExchangeAbandonedException">The wait was broken off; the pass must be run again.</exception>
    long Forward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total);

    /// <summary>Adds sums in the fixed tree.</summary>
    /// <exception cref="ExchangeAbandonedException">The wait was broken off; the pass must be run again.</exception>
    void Backward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total);

    /// <summary>Hands over moments for the running statistics only; does not wait (layers with sync: false).</summary>
    void Report(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves);
}

/// <summary>A wait for statistics of other leaves was broken off, since those leaves are to be computed anew.</summary>
public sealed class ExchangeAbandonedException() : Exception("The exchange of batch statistics was broken off.");

/// <summary>Two vectors of C columns, and how many numbers of a column are behind them: moments forward, two sums backward.</summary>
/// <param name="channels">C.</param>
public sealed class ColumnSums(int channels)
{
    /// <summary>Both vectors, one after the other (2 · C).</summary>
    public double[] Values { get; } = new double[2 * channels];

    /// <summary>How many numbers of a column are behind the values: rows, times the positions where rows are images.</summary>
    public long Rows { get; set; }

    /// <summary>Means, or Σ dy (C).</summary>
    public Span<double> First => Values.AsSpan(0, channels);

    /// <summary>Sums of squared deviations, or Σ dy·x̂ (C).</summary>
    public Span<double> Second => Values.AsSpan(channels);

    /// <summary>Combines the moments of two sets of rows into the left one.</summary>
    public static void CombineMoments(ColumnSums left, ColumnSums right) =>
        left.Rows = Moments.Combine(left.Rows, left.First, left.Second, right.Rows, right.First, right.Second);

    /// <summary>Adds the right sums to the left ones.</summary>
    public static void Add(ColumnSums left, ColumnSums right)
    {
        left.Rows += right.Rows;
        for (var i = 0; i < left.Values.Length; i++)
        {
            left.Values[i] += right.Values[i];
        }
    }

    /// <summary>Offers each segment's values to a gathering.</summary>
    public static void Offer(TreeGather<ColumnSums> gather, BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves)
    {
        for (var i = 0; i < segments.Length; i++)
        {
            var sums = new ColumnSums(slot.Channels) { Rows = (long)segments[i].Rows * slot.Positions };
            leaves.Slice(i * sums.Values.Length, sums.Values.Length).CopyTo(sums.Values);
            gather.Offer(TreeNode.OfLeaf(segments[i].Leaf), sums);
        }
    }
}

/// <summary>All leaves of a step in one process and one pass.</summary>
public sealed class LocalExchange(int leaves) : IBatchStatisticsExchange
{
    private readonly FixedTree _tree = new(leaves);

    /// <summary>The last moments of each layer, by the slot's index: for the running statistics.</summary>
    public Dictionary<int, ColumnSums> Pooled { get; } = [];

    /// <inheritdoc/>
    public long Forward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total)
    {
        Report(slot, segments, leaves);
        Pooled[slot.Index].Values.CopyTo(total);
        return Pooled[slot.Index].Rows;
    }

    /// <inheritdoc/>
    public void Backward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total) =>
        Combine(ColumnSums.Add, slot, segments, leaves).Values.CopyTo(total);

    /// <inheritdoc/>
    public void Report(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves) =>
        Pooled[slot.Index] = Combine(ColumnSums.CombineMoments, slot, segments, leaves);

    private ColumnSums Combine(Action<ColumnSums, ColumnSums> combine, BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves)
    {
        var present = new bool[_tree.Leaves];
        foreach (var segment in segments)
        {
            present[segment.Leaf] = true;
        }

        var gather = new TreeGather<ColumnSums>(_tree, combine, static _ => { });
        gather.Reset(leaf => present[leaf]);
        ColumnSums.Offer(gather, slot, segments, leaves);
        return gather.TakeTotal();
    }
}
