using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Engine.Compression;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// The gradient of one tree node within one partition: read in place where the worker keeps it, or copied into memory of
/// its own where the channel cannot lend.
/// </summary>
/// <param name="length">Parameters of the partition.</param>
/// <param name="codec">How gradients are made smaller, and sums rounded; null: they are not.</param>
internal sealed class LeafBuffer(int length, GradientCodec? codec = null)
{
    private byte[] _written = [];
    private AlignedBuffer? _own;
    private IPayloadLease? _lease;

    /// <summary>The values.</summary>
    public ReadOnlySpan<float> Gradient => _lease is null ? Own : MemoryMarshal.Cast<byte, float>(_lease.Bytes);

    /// <summary>Memory of its own, where a payload is copied to.</summary>
    public Span<float> Own => (_own ??= new AlignedBuffer(length)).Span;

    /// <summary>Where a payload is copied to that was made smaller.</summary>
    public Span<byte> Written(int bytes)
    {
        // One that is longer than all before makes room for the longest.
        _written = _written.Length < bytes ? new byte[Math.Max(bytes, codec!.MostBytes(length))] : _written;
        return _written.AsSpan(0, bytes);
    }

    /// <summary>From what was copied there to the values; false: it is damaged.</summary>
    public bool TryRead(int bytes) => codec!.TryRead(_written.AsSpan(0, bytes), Own);

    /// <summary>Loss summed over the node's rows.</summary>
    public double LossSum { get; set; }

    public int Rows { get; set; }

    /// <summary>What is wrong with the numbers under the node.</summary>
    public LeafFault Fault { get; set; }

    /// <summary>The values are where the lease says, until they are given back.</summary>
    public void Borrow(IPayloadLease lease) => _lease = lease;

    /// <summary>Adds the right sibling. What is borrowed belongs to the worker, which may need it again: then the sum goes into memory of its own.</summary>
    public void Add(LeafBuffer right)
    {
        ElementWise.Add(Own, Gradient, right.Gradient);
        codec?.RoundSum(Own);
        LossSum += right.LossSum;
        Rows += right.Rows;
        Fault |= right.Fault;
        GiveBack();
    }

    /// <summary>Whether the values lie with a worker of this host.</summary>
    public bool IsBorrowed => _lease is not null;

    /// <summary>Ends the lease, if there is one.</summary>
    public void GiveBack()
    {
        _lease?.Dispose();
        _lease = null;
    }
}

/// <summary>Reuses leaf buffers: no more are ever made than leaves were waiting at once.</summary>
internal sealed class LeafBufferPool(int length, GradientCodec? codec = null)
{
    private readonly ConcurrentBag<LeafBuffer> _free = [];

    public LeafBuffer Rent() => _free.TryTake(out var buffer) ? buffer : new LeafBuffer(length, codec);

    public void Return(LeafBuffer buffer)
    {
        buffer.GiveBack();
        _free.Add(buffer);
    }
}
