using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// From what the shards have come to by themselves to the next version: each leaf was weighted by its share of the rows, so
/// that the tree's sum is the mean. Parameters and the optimizer's state alike, in one pass over memory, on all cores.
/// </summary>
/// <remarks>
/// Sources: McMahan et al., "Communication-efficient learning of deep networks from decentralized data", 2017; Stich, "Local
/// SGD converges fast and communicates little", 2019; of the state: Yu, Jin, Yang, "On the linear speedup analysis of
/// communication efficient momentum SGD for distributed non-convex optimization", 2019.
/// </remarks>
internal sealed class AveragePass
{
    // What one core takes at a time, and what is not worth waking another one for.
    private const int ShareLength = 65536;
    private const int LengthForOneCore = 262144;

    private readonly int _length;
    private readonly Action<int> _add;
    private AlignedBuffer? _to;
    private LeafBuffer? _left;
    private LeafBuffer? _right;

    /// <param name="length">Floats of a version.</param>
    public AveragePass(int length) => (_length, _add) = (length, Add);

    /// <summary>Adds the last two nodes of the tree. Not for two threads at once.</summary>
    /// <param name="left">The left half, or everything.</param>
    /// <param name="right">The right half, or null.</param>
    /// <param name="to">The next version.</param>
    public void Run(LeafBuffer left, LeafBuffer? right, AlignedBuffer to)
    {
        (_left, _right, _to) = (left, right, to);
        var shares = (_length + ShareLength - 1) / ShareLength;
        if (_length < LengthForOneCore)
        {
            for (var share = 0; share < shares; share++)
            {
                Add(share);
            }
        }
        else
        {
            CoreTeam.Shared.Run(shares, _add);
        }

        (_left, _right, _to) = (null, null, null);
    }

    private void Add(int share)
    {
        var start = share * ShareLength;
        var length = Math.Min(ShareLength, _length - start);
        var to = _to!.Span.Slice(start, length);
        var left = _left!.Gradient.Slice(start, length);
        if (_right is null)
        {
            left.CopyTo(to);
        }
        else
        {
            ElementWise.Add(to, left, _right.Gradient.Slice(start, length));
        }
    }
}
