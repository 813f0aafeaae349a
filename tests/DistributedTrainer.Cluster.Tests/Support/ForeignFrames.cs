using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>Headers that are right in some fields and wrong in others, from a fixed seed; never one that a worker at version 0 might send.</summary>
internal sealed class ForeignFrames(TrainingPlan plan, int seed)
{
    private static readonly long[] Edges = [0, 1, -1, 2, 3, 7, 255, 4096, int.MaxValue, int.MinValue, long.MaxValue, long.MinValue, long.MaxValue - 1, 1L << 62];

    private readonly Random _random = new(seed);

    /// <summary>A header of a kind that the channel lets pass.</summary>
    public FrameHeader Next()
    {
        var header = Right();
        for (var changes = _random.Next(1, 6); changes > 0; changes--)
        {
            Change(ref header);
        }

        if (IsRight(header))
        {
            header.Run ^= 1UL << _random.Next(64);
        }

        return header;
    }

    private FrameHeader Right()
    {
        var partition = _random.Next(plan.Ranges.Count);
        var leaf = TreeNode.OfLeaf(_random.Next(plan.Shards));
        var header = new FrameHeader { Kind = (FrameKind)_random.Next((int)FrameKind.Push, (int)FrameKind.Restore + 1), Run = plan.Token, Generation = 1, Partition = partition };
        switch (header.Kind)
        {
            case FrameKind.Push:
                return header with { Index = leaf.Index, Rows = plan.RowsUnder(0, leaf), PayloadBytes = plan.Ranges[partition].Length * sizeof(float) };
            case FrameKind.Statistics when plan.Model.BatchNorms.Count > 0:
                var layer = _random.Next(plan.Model.BatchNorms.Count);
                return header with
                {
                    Partition = 0,
                    Index = leaf.Index,
                    Rows = plan.RowsUnder(0, leaf),
                    Count = layer,
                    PayloadBytes = 2 * plan.Model.BatchNorms[layer].Channels * sizeof(double),
                };
            case FrameKind.Evaluation:
                return header with { Partition = 0, Index = leaf.Index, PayloadBytes = EvaluationSums.BytesFor(plan.Model.Units) };
            default:
                return header;
        }
    }

    private void Change(ref FrameHeader header)
    {
        switch (_random.Next(12))
        {
            case 0: header.Kind = (FrameKind)_random.Next((int)FrameKind.Push, (int)FrameKind.Restore + 1); break;
            case 1: header.Flags = (byte)_random.Next(256); break;
            case 2: header.Run = (ulong)Any(); break;
            case 3: header.Generation = Any(); break;
            case 4: header.Step = Any(); break;
            case 5: header.Partition = (int)Any(); break;
            case 6: header.Level = (int)Any(); break;
            case 7: header.Index = (int)Any(); break;
            case 8: header.Rows = (int)Any(); break;
            case 9: header.Sum = BitConverter.Int64BitsToDouble(Any()); break;
            case 10: header.Count = Any(); break;
            default: header.PayloadBytes = (int)(Any() & int.MaxValue); break;
        }
    }

    private long Any() => _random.Next(3) == 0 ? _random.NextInt64(long.MinValue, long.MaxValue) : Edges[_random.Next(Edges.Length)];

    /// <summary>Whether a worker's frame might look so: it would count, as it should.</summary>
    private bool IsRight(in FrameHeader header)
    {
        if (header.Run != plan.Token || header.Step is < -1 or > 0)
        {
            return false;
        }

        var rows = plan.RowsUnder(0, new TreeNode(header.Level, header.Index));
        return header.Kind switch
        {
            FrameKind.Push => header.Generation == 1 && header.Rows == rows && rows > 0,
            FrameKind.Statistics => header.Rows == rows && rows > 0,
            FrameKind.Evaluation => true,
            _ => false,
        };
    }
}
