using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>A shard's residual that comes from where a version was put aside, partition by partition.</summary>
internal sealed partial class WorkerInbox
{
    private readonly bool[] _residualThere;
    private AlignedBuffer? _residualPlace;
    private int _residualShard = -1;
    private long _residualVersion = -1;

    /// <summary>Whether the residual that is wanted has come.</summary>
    public bool IsResidualThere
    {
        get
        {
            lock (Gate)
            {
                return !_residualThere.Contains(false);
            }
        }
    }

    /// <summary>Starts to wait for a shard's residual.</summary>
    public void WantResidual(int shard, long version, AlignedBuffer place)
    {
        lock (Gate)
        {
            (_residualShard, _residualVersion, _residualPlace) = (shard, version, place);
            Array.Clear(_residualThere);
        }
    }

    /// <summary>Where a partition's part of it goes; empty: it is not wanted (any more).</summary>
    public Span<byte> ResidualPlaceFor(in FrameHeader header)
    {
        lock (Gate)
        {
            if (!IsWantedResidual(header))
            {
                return [];
            }

            var range = _plan.Ranges[header.Partition];
            return header.PayloadBytes == range.Length * sizeof(float) ? MemoryMarshal.AsBytes(_residualPlace!.Span.Slice(range.Offset, range.Length)) : [];
        }
    }

    /// <summary>A part is whole.</summary>
    public void ResidualArrived(in FrameHeader header)
    {
        lock (Gate)
        {
            if (IsWantedResidual(header))
            {
                _residualThere[header.Partition] = true;
                Monitor.PulseAll(Gate);
            }
        }
    }

    private bool IsWantedResidual(in FrameHeader header) =>
        header.Generation >= _loaded && header.Index == _residualShard && header.Step == _residualVersion
        && header.Partition >= 0 && header.Partition < _residualThere.Length && !_residualThere[header.Partition];
}
