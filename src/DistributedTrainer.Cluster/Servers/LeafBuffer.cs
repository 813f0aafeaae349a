using System.Collections.Concurrent;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>The gradient of one tree node within one partition, as it came from a worker.</summary>
internal sealed class LeafBuffer(int length)
{
    public AlignedBuffer Gradient { get; } = new(length);

    /// <summary>Loss summed over the node's rows.</summary>
    public double LossSum { get; set; }

    public int Rows { get; set; }
}

/// <summary>Reuses leaf buffers: no more are ever made than leaves were waiting at once.</summary>
internal sealed class LeafBufferPool(int length)
{
    private readonly ConcurrentBag<LeafBuffer> _free = [];

    public LeafBuffer Rent() => _free.TryTake(out var buffer) ? buffer : new LeafBuffer(length);

    public void Return(LeafBuffer buffer) => _free.Add(buffer);
}
