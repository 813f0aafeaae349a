using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// Batch-norm statistics across the cluster, in the lead partition: gathers each layer's leaves in the fixed tree,
/// answers with the total, and keeps two steps, since a worker may recompute a leaf of the step before.
/// </summary>
internal sealed class StatisticsBoard
{
    private readonly object _gate = new();
    private readonly TrainingPlan _plan;
    private readonly Entry[] _entries;
    private readonly StatisticsSeats _seats;

    /// <param name="plan">The run.</param>
    /// <param name="course">The generation that loaded the state.</param>
    public StatisticsBoard(TrainingPlan plan, long course = 0)
    {
        (_plan, _seats) = (plan, new StatisticsSeats(plan, course));
        _entries = new Entry[plan.Model.BatchNorms.Count * 4];
        for (var i = 0; i < _entries.Length; i++)
        {
            _entries[i] = new Entry(plan, plan.Model.BatchNorms[i / 4], backward: (i & 1) != 0);
        }
    }

    /// <summary>Whether all workers that have asked for totals read each other's sums, and ask no more.</summary>
    public bool IsShared
    {
        get
        {
            lock (_gate)
            {
                return _seats.AreComplete;
            }
        }
    }

    /// <summary>Where a statistics frame belongs; null with the reason where it fits nothing, without where it comes too late to matter.</summary>
    public ColumnSums? Reserve(in FrameHeader frame, long version, out string? refusal)
    {
        var layer = frame.Count;
        if (layer < 0 || layer >= _plan.Model.BatchNorms.Count)
        {
            refusal = $"batch-norm layer {layer} does not exist";
            return null;
        }

        var slot = _plan.Model.BatchNorms[(int)layer];
        var channels = slot.Channels;
        refusal = frame.PayloadBytes != 2 * channels * sizeof(double)
            ? $"statistics of {frame.PayloadBytes} bytes do not fit {channels} channels"
            : frame.Step > version || frame.Step < 0 ? $"statistics of step {frame.Step} do not belong to version {version}"
            : frame.Rows <= 0 || frame.Rows != _plan.RowsUnder(frame.Step, new TreeNode(frame.Level, frame.Index))
                ? $"statistics of node {frame.Level}/{frame.Index} with {frame.Rows} rows do not fit step {frame.Step}"
            : null;
        return refusal is null && frame.Step >= version - 1 ? new ColumnSums(channels) { Rows = (long)frame.Rows * slot.Positions } : null;
    }

    /// <summary>Takes what was reserved; answers everybody who waits once all leaves are there.</summary>
    public void Complete(IChannel channel, in FrameHeader frame, ColumnSums sums)
    {
        CrashPoint.Reach("server.statistics", frame.Step);
        lock (_gate)
        {
            var wants = (frame.Flags & StatisticsFlags.WantsTotal) != 0;
            if (wants)
            {
                _seats.Admit(channel);
            }

            var entry = EntryOf(frame.Step, (int)frame.Count, (frame.Flags & StatisticsFlags.Backward) != 0);
            if (frame.Step < entry.Step)
            {
                // The step was completed while this frame was under way.
                return;
            }

            entry.Open(frame.Step);
            entry.Gather.Offer(new TreeNode(frame.Level, frame.Index), sums);
            if (wants && !entry.Waiting.Contains(channel))
            {
                entry.Waiting.Add(channel);
            }

            if (entry.Waiting.Count > 0 && entry.Gather.Total is null)
            {
                // In this order: what is shown after the look is sent.
                _seats.Want(entry.Slot, entry.IsBackward, frame.Step);
                Collect(entry, frame.Step);
            }

            if (entry.Gather.Total is { } total)
            {
                foreach (var waiting in entry.Waiting)
                {
                    Answer(waiting, frame, total, entry.Slot.Positions);
                }

                entry.Waiting.Clear();
            }
        }
    }

    /// <summary>Which layer's moments of a step are not complete, in words; null: none.</summary>
    public string? Missing(long step)
    {
        lock (_gate)
        {
            foreach (var slot in _plan.Model.BatchNorms)
            {
                var entry = EntryOf(step, slot.Index, backward: false);
                if (entry.Step != step || entry.Gather.Total is null)
                {
                    return $"the statistics of batch-norm layer {slot.Index} in step {step} are not complete";
                }
            }

            return null;
        }
    }

    /// <summary>A closed channel waits for nothing.</summary>
    public void Forget(IChannel channel)
    {
        lock (_gate)
        {
            _seats.Forget(channel);
            foreach (var entry in _entries)
            {
                entry.Waiting.Remove(channel);
            }
        }
    }

    /// <summary>Whether each layer's moments of a node's leaves are here: a worker sends or shows them before the node's gradient.</summary>
    public bool Covers(long step, TreeNode node)
    {
        if (_entries.Length == 0)
        {
            return true;
        }

        lock (_gate)
        {
            foreach (var slot in _plan.Model.BatchNorms)
            {
                var entry = EntryOf(step, slot.Index, backward: false);
                if (!entry.Covers(step, node))
                {
                    Collect(entry, step);
                    if (!entry.Covers(step, node))
                    {
                        return false;
                    }
                }
            }

            return true;
        }
    }

    /// <summary>Moves the running statistics on by the pooled moments of a step whose leaves have all come.</summary>
    public void UpdateRunning(long step, Span<float> running)
    {
        lock (_gate)
        {
            foreach (var slot in _plan.Model.BatchNorms)
            {
                var total = EntryOf(step, slot.Index, backward: false).Gather.Total
                    ?? throw new InvalidOperationException($"batch-norm {slot.Index}: step {step} is applied, but its statistics are not complete.");
                RunningStatistics.Update(slot, running, total.First, total.Second, total.Rows);
            }
        }
    }

    private void Collect(Entry entry, long step)
    {
        CrashPoint.Reach("server.statistics", step);
        _seats.Collect(entry.Slot, entry.IsBackward, step, () =>
        {
            entry.Open(step);
            return entry.Gather;
        });
    }

    private static void Answer(IChannel channel, in FrameHeader frame, ColumnSums total, int positions)
    {
        var header = frame;
        header.Kind = FrameKind.StatisticsTotal;
        header.Rows = (int)(total.Rows / positions);
        channel.Post(header, new OwnBytes(MemoryMarshal.AsBytes(total.Values.AsSpan()).ToArray()));
    }

    private Entry EntryOf(long step, int layer, bool backward) => _entries[layer * 4 + (int)(step & 1) * 2 + (backward ? 1 : 0)];

    private sealed class Entry(TrainingPlan plan, BatchNormSlot slot, bool backward)
    {
        public long Step { get; private set; } = -1;

        public List<IChannel> Waiting { get; } = [];

        public BatchNormSlot Slot { get; } = slot;

        public bool IsBackward { get; } = backward;

        public TreeGather<ColumnSums> Gather { get; } = new(new FixedTree(plan.Shards), backward ? ColumnSums.Add : ColumnSums.CombineMoments, static _ => { });

        /// <summary>What is no node of the tree is refused elsewhere.</summary>
        public bool Covers(long step, TreeNode node) => Step > step || (Step == step && (!Gather.Tree.Contains(node) || Gather.Has(node)));

        public void Open(long step)
        {
            if (Step != step)
            {
                Step = step;
                Waiting.Clear();
                Gather.Reset(shard => plan.Schedule.LeafRows(step, shard) > 0);
            }
        }
    }
}

/// <summary>Bits of <see cref="FrameHeader.Flags"/> in statistics frames.</summary>
internal static class StatisticsFlags
{
    public const byte Backward = 1;
    public const byte WantsTotal = 2;
}

/// <summary>A small answer that nobody else uses.</summary>
internal sealed class OwnBytes(byte[] bytes) : IPayload
{
    /// <summary>No bytes.</summary>
    public static readonly OwnBytes None = new([]);

    public ReadOnlySpan<byte> Bytes => bytes;

    public void Release()
    {
    }
}
