using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Servers;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>Versions that come over a network where gradients are made smaller: with the optimizer's state once, and then as gradients.</summary>
internal sealed partial class WorkerInbox
{
    private readonly Arrival[] _arrivals;

    /// <summary>In which form a version of a partition is wanted.</summary>
    public PullForm FormOf(int partition, long version) =>
        _replica is null ? PullForm.Plain : _replica.Has(partition, version - 1) ? PullForm.Update : PullForm.WithState;

    private static PullForm FormOf(in FrameHeader header) =>
        (header.Flags & ParameterFlags.Update) != 0 ? PullForm.Update : (header.Flags & ParameterFlags.State) != 0 ? PullForm.WithState : PullForm.Plain;

    /// <summary>Where the bytes of a frame go that is wanted; empty: it does not fit.</summary>
    private Span<byte> PlaceOf(in FrameHeader header)
    {
        var (partition, form) = (header.Partition, FormOf(header));
        if (form == PullForm.Plain)
        {
            var staged = MemoryMarshal.AsBytes((_staged[partition] ??= new(LengthOf(partition))).Span);
            return staged.Length == header.PayloadBytes ? staged : [];
        }

        var (range, bytes) = (_plan.Ranges[partition], LengthOf(partition) * sizeof(float));
        var fits = _replica is not null && (form == PullForm.WithState
            ? header.PayloadBytes == bytes + (_plan.Optimizer.StateVectors * range.Length * sizeof(float))
            : _plan.Codec?.Fits(header.PayloadBytes - (BuffersIn(partition) * sizeof(float)), range.Length) == true);
        return fits ? _arrivals[partition].Place(header.PayloadBytes) : [];
    }

    /// <summary>Reads an update that is whole; false: it is damaged. By the thread that received it, while the step thread waits.</summary>
    private bool TryRead(in FrameHeader header)
    {
        var (partition, arrival) = (header.Partition, _arrivals[header.Partition]);
        if (FormOf(header) != PullForm.Update)
        {
            return true;
        }

        arrival.Gradient ??= new LeafBuffer(_plan.Ranges[partition].Length);
        return _plan.Codec!.TryRead(arrival.Bytes[(BuffersIn(partition) * sizeof(float))..], arrival.Gradient.Own);
    }

    /// <summary>Takes a partition over that came with the state, or as an update.</summary>
    private void CopyByReplica(Arrival arrival, Span<float> parameters, Span<float> buffers, int partition)
    {
        var range = _plan.Ranges[partition];
        if (arrival.Form == PullForm.Update)
        {
            _replica!.Update(partition, _wanted, arrival.Gradient!, arrival.Rows, _arrivedVerdict.Reductions, (float)arrival.Scale);
            MemoryMarshal.Cast<byte, float>(arrival.Bytes[..(BuffersIn(partition) * sizeof(float))]).CopyTo(buffers);
        }
        else
        {
            var values = MemoryMarshal.Cast<byte, float>(arrival.Bytes);
            _replica!.Load(partition, _wanted, values[..range.Length], values[LengthOf(partition)..]);
            values.Slice(range.Length, BuffersIn(partition)).CopyTo(buffers);
            arrival.GiveBack();
        }

        _replica.Parameters(partition).CopyTo(parameters[range.Offset..]);
    }

    /// <summary>What came of one partition.</summary>
    private sealed class Arrival
    {
        private byte[] _bytes = [];
        private int _count;

        /// <summary>How it came.</summary>
        public PullForm Form { get; set; }

        /// <summary>Rows of its step, and the scale of its gradient.</summary>
        public int Rows { get; set; }

        /// <inheritdoc cref="Rows"/>
        public double Scale { get; set; }

        /// <summary>The gradient of its step, where it came as an update.</summary>
        public LeafBuffer? Gradient { get; set; }

        public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _count);

        public Span<byte> Place(int count)
        {
            _bytes = _bytes.Length < count ? new byte[count] : _bytes;
            _count = count;
            return _bytes.AsSpan(0, count);
        }

        /// <summary>It is much larger than what will come from now on.</summary>
        public void GiveBack() => (_bytes, _count) = ([], 0);
    }
}
