using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Optimizers;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// The norm of a step's whole gradient, of which each partition has a part: a sum of squares for each 4096 elements, which
/// all together are added in one fixed tree, so that neither the number of partitions nor their place changes a bit. The
/// partitions of one server meet here without a message. Those of other servers are told by way of the workers that wait
/// for the step, who pass on what they get and know nothing of it. Sums of a step are the same whoever computed it, so that
/// they outlive generations; two steps are kept, since another server may still be on the step before.
/// </summary>
internal sealed class NormBoard
{
    private readonly object _gate = new();
    private readonly PartitionRange[] _ranges;
    private readonly double[] _scratch;
    private readonly Entry[] _entries;
    private readonly HashSet<int> _own = [];

    public NormBoard(TrainingPlan plan)
    {
        _ranges = [.. plan.Ranges];
        var blocks = GradientNorm.Blocks(plan.Model.Layout.Length);
        _scratch = new double[blocks];
        _entries = [new Entry(blocks, _ranges.Length), new Entry(blocks, _ranges.Length)];
    }

    /// <summary>Told outside of any lock that the sums of this step are complete.</summary>
    public event Action<long>? Completed;

    /// <summary>A partition of this server: its sums come from here.</summary>
    public void Add(int partition) => _own.Add(partition);

    /// <summary>Blocks of one partition.</summary>
    public int BlocksOf(int partition) => GradientNorm.Blocks(_ranges[partition].Length);

    /// <summary>Takes the sums of a partition. Returns whether they were the last that was missing.</summary>
    public bool Offer(long step, int partition, ReadOnlySpan<double> sums)
    {
        lock (_gate)
        {
            var entry = _entries[step & 1];
            if (step < entry.Step)
            {
                return false;
            }

            entry.Open(step);
            if (entry.Has[partition])
            {
                return false;
            }

            sums.CopyTo(entry.Sums.AsSpan(FirstBlock(partition)));
            entry.Has[partition] = true;
            return --entry.Missing == 0;
        }
    }

    /// <summary>The sum of squares of the whole gradient, once it is known.</summary>
    public bool TryGet(long step, out double sumOfSquares)
    {
        lock (_gate)
        {
            var entry = _entries[step & 1];
            sumOfSquares = 0;
            if (entry.Step != step || entry.Missing > 0)
            {
                return false;
            }

            entry.Sums.CopyTo(_scratch, 0);
            sumOfSquares = GradientNorm.Combine(_scratch);
            return true;
        }
    }

    /// <summary>Tells whoever waits for this server to go on.</summary>
    public void Announce(long step) => Completed?.Invoke(step);

    /// <summary>Sends a partition's sums of a step to a worker, which passes them on to the other servers.</summary>
    /// <param name="channel">The worker's.</param>
    /// <param name="frame">Run, generation, step and partition.</param>
    /// <param name="asks">Whether the others are to answer with theirs, as far as they have them.</param>
    public void Send(IChannel channel, in FrameHeader frame, bool asks)
    {
        if (_own.Count == _ranges.Length)
        {
            // There is no other server.
            return;
        }

        byte[] sums;
        lock (_gate)
        {
            var entry = _entries[frame.Step & 1];
            if (entry.Step != frame.Step || !entry.Has[frame.Partition])
            {
                return;
            }

            sums = MemoryMarshal.AsBytes(entry.Sums.AsSpan(FirstBlock(frame.Partition), BlocksOf(frame.Partition))).ToArray();
        }

        var header = new FrameHeader
        {
            Kind = FrameKind.Norm,
            Run = frame.Run,
            Generation = frame.Generation,
            Step = frame.Step,
            Partition = frame.Partition,
            Index = frame.Partition,
            Flags = asks ? NormFlags.Asks : (byte)0,
        };
        channel.Post(header, new OwnBytes(sums));
    }

    /// <summary>What is wrong with sums of another server; null: nothing.</summary>
    public string? Problem(in FrameHeader frame) =>
        frame.Index < 0 || frame.Index >= _ranges.Length ? $"partition {frame.Index} does not exist"
        : frame.PayloadBytes != BlocksOf(frame.Index) * sizeof(double) ? $"{frame.PayloadBytes} bytes are not the sums of {BlocksOf(frame.Index)} blocks"
        : frame.Step < 0 ? $"step {frame.Step} does not exist"
        : null;

    /// <summary>Takes what a worker passed on; answers with the sums of this server's partitions, where it was asked.</summary>
    public void Complete(IChannel channel, in FrameHeader frame, ReadOnlySpan<double> sums)
    {
        var complete = Offer(frame.Step, frame.Index, sums);
        if ((frame.Flags & NormFlags.Asks) != 0)
        {
            foreach (var partition in _own)
            {
                Send(channel, frame with { Partition = partition }, asks: false);
            }
        }

        if (complete)
        {
            Announce(frame.Step);
        }
    }

    private int FirstBlock(int partition) => _ranges[partition].Offset / GradientNorm.BlockLength;

    private sealed class Entry(int blocks, int partitions)
    {
        public long Step { get; private set; } = -1;

        public double[] Sums { get; } = new double[blocks];

        public bool[] Has { get; } = new bool[partitions];

        public int Missing { get; set; } = partitions;

        public void Open(long step)
        {
            if (Step != step)
            {
                Step = step;
                Missing = Has.Length;
                Array.Clear(Has);
            }
        }
    }
}

/// <summary>Bits of <see cref="FrameHeader.Flags"/> in frames of sums of squares.</summary>
internal static class NormFlags
{
    /// <summary>The sender waits for the sums of the other servers.</summary>
    public const byte Asks = 1;
}
