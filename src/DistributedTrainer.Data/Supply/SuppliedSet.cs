namespace DistributedTrainer.Data.Supply;

/// <summary>
/// Records of one set that are fetched when they are needed, or before: in segments of one shard each, so that a node has
/// no more than what it computes. May be read by several threads.
/// </summary>
public sealed class SuppliedSet : IRecordSet
{
    // What is fetched, checked and kept as one.
    internal const int SegmentBytes = 16 << 20;

    private static readonly Func<bool> Never = static () => false;

    private readonly RecordCache _cache;
    private readonly int _set;
    private readonly int _stride;
    private readonly int _perSegment;
    private readonly RecordSegment?[][] _segments;

    internal SuppliedSet(RecordCache cache, int set, int count, int recordBytes, int stride)
    {
        (_cache, _set, _stride, Count, RecordBytes) = (cache, set, stride, count, recordBytes);
        _perSegment = Math.Max(1, SegmentBytes / recordBytes);
        _segments = [.. Enumerable.Range(0, stride).Select(shard => new RecordSegment?[(InShard(shard) + _perSegment - 1) / _perSegment])];
    }

    /// <inheritdoc/>
    public int Count { get; }

    /// <inheritdoc/>
    public int RecordBytes { get; }

    /// <summary>Bytes that are held in memory when all records are there.</summary>
    internal long HeldBytes => _cache.Holds ? (long)Count * RecordBytes : 0;

    /// <inheritdoc/>
    public void CopyRecord(int record, Span<byte> into) => Read(record, 0, into[..RecordBytes]);

    /// <summary>Part of a record.</summary>
    internal void Read(int record, int offset, Span<byte> into)
    {
        var (shard, place) = (record % _stride, record / _stride);
        var segment = _segments[shard][place / _perSegment] ?? Bring(shard, place / _perSegment, Never)!;
        segment.Read(((long)(place % _perSegment) * RecordBytes) + offset, into);
    }

    /// <summary>Fetches the records of a shard: position modulo shards. False: given up.</summary>
    /// <exception cref="IOException">They cannot be had.</exception>
    internal bool Bring(int shard, Func<bool> isGivenUp)
    {
        for (var at = 0; at < _segments[shard].Length; at++)
        {
            if (_segments[shard][at] is null && Bring(shard, at, isGivenUp) is null)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Fetches all records of all shards.</summary>
    /// <exception cref="IOException">They cannot be had.</exception>
    public bool BringAll(Func<bool> isGivenUp) => Enumerable.Range(0, _stride).All(shard => Bring(shard, isGivenUp));

    private RecordSegment? Bring(int shard, int at, Func<bool> isGivenUp)
    {
        // Several workers of a process ask for the same at once; what is there is never replaced.
        lock (_segments[shard])
        {
            var first = at * _perSegment;
            var range = new RecordRange(_set, shard + (first * _stride), _stride, Math.Min(_perSegment, InShard(shard) - first));
            return _segments[shard][at] ??= _cache.Get(range, RecordBytes, isGivenUp);
        }
    }

    private int InShard(int shard) => (Count - shard + _stride - 1) / _stride;
}
