using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>Elements [Start, Start + Length) of a partition that are of one tensor, by its place in the layout, and that weight decay touches, or does not.</summary>
internal readonly record struct PartitionPiece(int Start, int Length, int Tensor, bool Decays);

/// <summary>The range [Offset, Offset + Length) of the flat vector that one partition owns.</summary>
internal sealed record PartitionRange(int Id, int Offset, int Length, IReadOnlyList<PartitionPiece> Pieces);

/// <summary>Cuts the flat vector into partitions at multiples of 4096 elements, so that block sums never straddle a border.</summary>
internal static class PartitionMap
{
    public const int BlockLength = 4096;

    /// <summary>At most one partition a block: a small model has fewer partitions than asked for.</summary>
    public static IReadOnlyList<PartitionRange> Cut(ParameterLayout layout, int partitions, bool decayBiases)
    {
        var blocks = (layout.Length + BlockLength - 1) / BlockLength;
        var count = Math.Min(partitions, blocks);
        var ranges = new List<PartitionRange>(count);
        for (var id = 0; id < count; id++)
        {
            var start = (int)((long)id * blocks / count) * BlockLength;
            var end = Math.Min(layout.Length, (int)((long)(id + 1) * blocks / count) * BlockLength);
            ranges.Add(new PartitionRange(id, start, end - start, Pieces(layout, start, end, decayBiases)));
        }

        return ranges;
    }

    private static List<PartitionPiece> Pieces(ParameterLayout layout, int start, int end, bool decayBiases) =>
        [.. from entry in layout.Slots.Index()
            let slot = entry.Item
            let first = Math.Max(start, slot.Offset)
            let last = Math.Min(end, slot.Offset + slot.Shape.Elements)
            where first < last
            select new PartitionPiece(first - start, last - first, entry.Index, slot.Decays || decayBiases)];
}
