using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Engine.Tests.Models;

/// <summary>Batch statistics of leaves that are computed on several threads: each call waits until the last leaf is there.</summary>
internal sealed class SharedExchange(int leaves) : IBatchStatisticsExchange
{
    private readonly Lock _lock = new();
    private readonly FixedTree _tree = new(leaves);
    private readonly Dictionary<(int Slot, bool Backward), (TreeGather<ColumnSums> Gather, ManualResetEventSlim Whole)> _boards = [];

    public long Forward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total)
    {
        var sums = Wait(slot, backward: false, segments, leaves);
        sums.Values.CopyTo(total);
        return sums.Rows;
    }

    public void Backward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total) =>
        Wait(slot, backward: true, segments, leaves).Values.CopyTo(total);

    public void Report(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves) => Offer(slot, backward: false, segments, leaves);

    /// <summary>The moments of a layer over all leaves.</summary>
    public ColumnSums Pooled(BatchNormSlot slot) => _boards[(slot.Index, false)].Gather.Total!;

    private ColumnSums Wait(BatchNormSlot slot, bool backward, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves)
    {
        var (gather, whole) = Offer(slot, backward, segments, leaves);
        Assert.True(whole.Wait(TimeSpan.FromMinutes(2)), "a leaf never came.");
        return gather.Total!;
    }

    private (TreeGather<ColumnSums> Gather, ManualResetEventSlim Whole) Offer(BatchNormSlot slot, bool backward, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves)
    {
        lock (_lock)
        {
            if (!_boards.TryGetValue((slot.Index, backward), out var board))
            {
                board = (new TreeGather<ColumnSums>(_tree, backward ? ColumnSums.Add : ColumnSums.CombineMoments, static _ => { }), new ManualResetEventSlim());
                _boards.Add((slot.Index, backward), board);
            }

            ColumnSums.Offer(board.Gather, slot, segments, leaves);
            if (board.Gather.Total is not null)
            {
                board.Whole.Set();
            }

            return board;
        }
    }
}
