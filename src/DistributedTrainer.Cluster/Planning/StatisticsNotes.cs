using System.Buffers.Binary;
using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>
/// Sums of batch norm as notes on a board: two entries for each layer, forward and backward, with the highest nodes of the
/// tree that a worker has. A node is <c>0 level i32 · 4 index i32 · 8 rows i64 · 16 values f64[2 C]</c>.
/// </summary>
internal static class StatisticsNotes
{
    // A worker's leaves lie together but for what it took over from others; with more than this they go by the server.
    private const int MostNodes = 4;
    private const int NodeBytes = 16;

    /// <summary>Bytes of the longest note of each entry.</summary>
    public static int[] Capacities(TrainingPlan plan) =>
        [.. plan.Model.BatchNorms.SelectMany(slot => Enumerable.Repeat(Math.Min(plan.Shards, MostNodes) * BytesOf(slot), 2))];

    /// <summary>Bytes of one worker's seat at such a board.</summary>
    public static long SeatBytes(TrainingPlan plan) => plan.Model.BatchNorms.Count == 0 ? 0 : SharedBoard.SeatBytes(Capacities(plan));

    public static int Entry(int layer, bool backward) => (2 * layer) + (backward ? 1 : 0);

    /// <summary>Writes nodes down. False: there are too many.</summary>
    public static bool TryWrite(BatchNormSlot slot, List<(TreeNode Node, ColumnSums Value)> nodes, Span<byte> into, out int length)
    {
        length = nodes.Count * BytesOf(slot);
        if (length > into.Length || nodes.Count > MostNodes)
        {
            return false;
        }

        foreach (var (node, value) in nodes)
        {
            BinaryPrimitives.WriteInt32LittleEndian(into, node.Level);
            BinaryPrimitives.WriteInt32LittleEndian(into[4..], node.Index);
            BinaryPrimitives.WriteInt64LittleEndian(into[8..], value.Rows);
            MemoryMarshal.AsBytes(value.Values.AsSpan()).CopyTo(into[NodeBytes..]);
            into = into[BytesOf(slot)..];
        }

        return true;
    }

    /// <summary>Offers the nodes of a note, as far as they fit the step.</summary>
    public static void Offer(TrainingPlan plan, long step, BatchNormSlot slot, ReadOnlySpan<byte> note, TreeGather<ColumnSums> to)
    {
        for (; note.Length >= BytesOf(slot); note = note[BytesOf(slot)..])
        {
            var node = new TreeNode(BinaryPrimitives.ReadInt32LittleEndian(note), BinaryPrimitives.ReadInt32LittleEndian(note[4..]));
            var rows = BinaryPrimitives.ReadInt64LittleEndian(note[8..]);
            if (rows > 0 && to.Tree.Contains(node) && rows == (long)plan.RowsUnder(step, node) * slot.Positions && !to.Has(node))
            {
                var sums = new ColumnSums(slot.Channels) { Rows = rows };
                note[NodeBytes..BytesOf(slot)].CopyTo(MemoryMarshal.AsBytes(sums.Values.AsSpan()));
                to.Offer(node, sums);
            }
        }
    }

    private static int BytesOf(BatchNormSlot slot) => NodeBytes + (2 * slot.Channels * sizeof(double));
}
