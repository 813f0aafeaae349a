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
    /// <param name="gather">Where to.</param>
    /// <param name="slot">Whose values.</param>
    /// <param name="segments">The leaves.</param>
    /// <param name="leaves">Their values, one leaf after the other.</param>
    /// <param name="rent">Gives sums to fill, which the gathering releases; null: new ones.</param>
    public static void Offer(
        TreeGather<ColumnSums> gather, BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Func<ColumnSums>? rent = null)
    {
        for (var i = 0; i < segments.Length; i++)
        {
            var sums = rent?.Invoke() ?? new ColumnSums(slot.Channels);
            sums.Rows = (long)segments[i].Rows * slot.Positions;
            leaves.Slice(i * sums.Values.Length, sums.Values.Length).CopyTo(sums.Values);
            gather.Offer(TreeNode.OfLeaf(segments[i].Leaf), sums);
        }
    }
}

/// <summary>All leaves of a step in one process and one pass. A warm step allocates nothing.</summary>
public sealed class LocalExchange : IBatchStatisticsExchange
{
    private readonly FixedTree _tree;
    private readonly bool[] _present;
    private readonly Func<int, bool> _isPresent;
    private readonly Dictionary<(int Slot, bool Backward), Gathering> _gatherings = [];

    /// <summary>An exchange between so many leaves.</summary>
    public LocalExchange(int leaves)
    {
        _tree = new FixedTree(leaves);
        _present = new bool[leaves];
        _isPresent = leaf => _present[leaf];
    }

    /// <summary>The last moments of each layer, by the slot's index: for the running statistics. The next step overwrites them.</summary>
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
        Combine(true, slot, segments, leaves).Values.CopyTo(total);

    /// <inheritdoc/>
    public void Report(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves) =>
        Pooled[slot.Index] = Combine(false, slot, segments, leaves);

    private ColumnSums Combine(bool backward, BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves)
    {
        if (!_gatherings.TryGetValue((slot.Index, backward), out var gathering))
        {
            gathering = new Gathering(_tree, slot.Channels, backward ? ColumnSums.Add : ColumnSums.CombineMoments);
            _gatherings.Add((slot.Index, backward), gathering);
        }

        Array.Clear(_present);
        foreach (var segment in segments)
        {
            _present[segment.Leaf] = true;
        }

        return gathering.Combine(_isPresent, slot, segments, leaves);
    }

    /// <summary>The tree of one layer and direction, with its sums, which are used again in the next step.</summary>
    private sealed class Gathering
    {
        private readonly Stack<ColumnSums> _spare = [];
        private readonly Func<ColumnSums> _rent;
        private readonly TreeGather<ColumnSums> _gather;

        public Gathering(FixedTree tree, int channels, Action<ColumnSums, ColumnSums> combine)
        {
            _rent = () => _spare.TryPop(out var sums) ? sums : new ColumnSums(channels);
            _gather = new TreeGather<ColumnSums>(tree, combine, _spare.Push);
        }

        public ColumnSums Combine(Func<int, bool> isPresent, BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves)
        {
            // The total of the step before stays in the tree until here, so that it may be read meanwhile.
            _gather.Reset(isPresent);
            ColumnSums.Offer(_gather, slot, segments, leaves, _rent);
            return _gather.Total ?? throw new InvalidOperationException("exchange: the leaves of a step must come in one pass.");
        }
    }
}
