using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Data;

/// <summary>
/// One shard's rows in the order of each epoch. Up to <see cref="FewRows"/> rows are shuffled in a list; the place of each
/// row of more is computed when a leaf needs it, so that neither memory nor the begin of an epoch grows with the rows.
/// Not thread-safe: one for each thread that computes.
/// </summary>
public sealed class ShardOrder
{
    /// <summary>Rows of a shard whose order is a list.</summary>
    public const int FewRows = 1 << 20;

    private readonly LeafSchedule _schedule;
    private readonly int _shard;
    private readonly bool _few;
    private int[] _rows;
    private PositionShuffle _order;
    private long _epoch = -1;

    /// <summary>The order of one shard.</summary>
    public ShardOrder(LeafSchedule schedule, int shard)
        : this(schedule, shard, FewRows)
    {
    }

    internal ShardOrder(LeafSchedule schedule, int shard, int fewRows)
    {
        _schedule = schedule;
        _shard = shard;
        Count = (schedule.Rows - shard + schedule.Shards - 1) / schedule.Shards;
        _few = Count <= fewRows;
        _rows = new int[_few ? Count : 0];
    }

    /// <summary>Rows of the shard.</summary>
    public int Count { get; }

    /// <summary>The leaf's rows, as numbers within the training set; good until the next call.</summary>
    public ReadOnlySpan<int> Rows(long step)
    {
        var (start, count) = _schedule.Range(step, _shard);
        var epoch = step / _schedule.StepsPerEpoch;
        if (_few)
        {
            ShuffleAll(epoch);
            return _rows.AsSpan(start, count);
        }

        if (epoch != _epoch)
        {
            (_epoch, _order) = (epoch, new PositionShuffle(Stream(epoch), Count));
        }

        _rows = _rows.Length >= count ? _rows : new int[count];
        for (var i = 0; i < count; i++)
        {
            _rows[i] = _shard + ((_schedule.Shuffle ? _order.At(start + i) : start + i) * _schedule.Shards);
        }

        return _rows.AsSpan(0, count);
    }

    private void ShuffleAll(long epoch)
    {
        if (epoch == _epoch)
        {
            return;
        }

        _epoch = epoch;
        for (var i = 0; i < _rows.Length; i++)
        {
            _rows[i] = _shard + (i * _schedule.Shards);
        }

        if (_schedule.Shuffle)
        {
            IndexShuffle.Shuffle(_rows, Stream(epoch));
        }
    }

    private RandomStream Stream(long epoch) => new(_schedule.Seed, RandomPurpose.Shuffle, epoch, _shard);
}
