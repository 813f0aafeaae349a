using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Models;

/// <summary>
/// Which rows each step of an epoch holds, leaf by leaf, in the order in which a cluster with as many shards visits them.
/// N rows, B rows a batch, L leaves: leaf i draws from the rows i, i + L, …, shuffled for itself in each epoch. Batch b
/// covers the positions bB … min((b+1)B, N) − 1 of the epoch, and leaf i those of them that are i modulo L.
/// </summary>
internal sealed class EpochOrder
{
    private readonly int _rows;
    private readonly int _batch;
    private readonly bool _shuffle;
    private readonly ulong _seed;
    private readonly int[][] _shards;

    public EpochOrder(int rows, int batch, int leaves, bool shuffle, ulong seed)
    {
        (_rows, _batch, _shuffle, _seed) = (rows, batch, shuffle, seed);
        _shards = new int[leaves][];
        for (var shard = 0; shard < leaves; shard++)
        {
            _shards[shard] = new int[Up(rows - shard)];
        }

        int Up(int position) => (position + leaves - 1) / leaves;
    }

    public int Steps => (_rows + _batch - 1) / _batch;

    public void Begin(int epoch)
    {
        for (var shard = 0; shard < _shards.Length; shard++)
        {
            var rows = _shards[shard];
            for (var i = 0; i < rows.Length; i++)
            {
                rows[i] = shard + (i * _shards.Length);
            }

            if (_shuffle)
            {
                IndexShuffle.Shuffle(rows, new RandomStream(_seed, RandomPurpose.Shuffle, epoch, shard));
            }
        }
    }

    /// <summary>Rows of one leaf of a step; 0 is possible in an epoch's last batch.</summary>
    public int LeafRows(int step, int leaf)
    {
        var (start, end) = Range(step, leaf);
        return end - start;
    }

    /// <summary>The rows of a step and its leaves; leaves without rows are left out.</summary>
    /// <param name="step">Step within the epoch.</param>
    /// <param name="rows">Room for a batch.</param>
    /// <param name="segments">Room for all leaves.</param>
    /// <returns>How many of both there are.</returns>
    public (int Rows, int Leaves) Take(int step, Span<int> rows, Span<LeafSegment> segments)
    {
        var (count, leaves) = (0, 0);
        for (var shard = 0; shard < _shards.Length; shard++)
        {
            var (start, end) = Range(step, shard);
            if (end > start)
            {
                segments[leaves++] = new LeafSegment(shard, count, end - start);
                _shards[shard].AsSpan(start..end).CopyTo(rows[count..]);
                count += end - start;
            }
        }

        return (count, leaves);
    }

    private (int Start, int End) Range(int step, int shard)
    {
        var start = (long)step * _batch;
        return (Up(start - shard), Up(Math.Min(start + _batch, _rows) - shard));

        int Up(long position) => position <= 0 ? 0 : (int)((position + _shards.Length - 1) / _shards.Length);
    }
}
