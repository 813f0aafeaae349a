using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// The gradient of one tree node within one partition: read in place where the worker keeps it, or copied into memory of
/// its own where the channel cannot lend.
/// </summary>
internal sealed class LeafBuffer(int length)
{
    private AlignedBuffer? _own;
    private IPayloadLease? _lease;

    /// <summary>The values.</summary>
    public ReadOnlySpan<float> Gradient => _lease is null ? Own : MemoryMarshal.Cast<byte, float>(_lease.Bytes);

    /// <summary>Memory of its own, where a payload is copied to.</summary>
    public Span<float> Own => (_own ??= new AlignedBuffer(length)).Span;

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
        LossSum += right.LossSum;
        Rows += right.Rows;
        Fault |= right.Fault;
        GiveBack();
    }

    /// <summary>Ends the lease, if there is one.</summary>
    public void GiveBack()
    {
        _lease?.Dispose();
        _lease = null;
    }
}

/// <summary>Reuses leaf buffers: no more are ever made than leaves were waiting at once.</summary>
internal sealed class LeafBufferPool(int length)
{
    private readonly ConcurrentBag<LeafBuffer> _free = [];

    public LeafBuffer Rent() => _free.TryTake(out var buffer) ? buffer : new LeafBuffer(length);

    public void Return(LeafBuffer buffer)
    {
        buffer.GiveBack();
        _free.Add(buffer);
    }
}
