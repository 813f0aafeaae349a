namespace DistributedTrainer.Channels.Shared;

/// <summary>One piece of shared memory that buffers are cut from, and which of it is in use.</summary>
internal sealed unsafe class SharedRegion
{
    /// <summary>More are never made in one process, and a peer that announces more is malformed.</summary>
    public const int Maximum = 64;

    // As the second level of page tables: fewer, larger calls to the system, little waste.
    private const long CommitStep = 2 << 20;

    private static readonly Lock Registering = new();
    private static SharedRegion[] _all = [];

    private readonly MemoryFile _file;

    // Sorted by offset, never adjacent. Lowest first, so that the pages that exist are used again.
    private readonly List<(long Offset, long Length)> _free;
    private long _committed;

    private SharedRegion(int id, MemoryFile file)
    {
        Id = id;
        _file = file;
        _free = [(0, file.Length)];
    }

    /// <summary>Its number in this process.</summary>
    public int Id { get; }

    public int Descriptor => _file.Descriptor;

    public long Length => _file.Length;

    public byte* Start => _file.Start;

    /// <summary>Bytes whose pages exist.</summary>
    public long Committed => _committed;

    /// <summary>Null, with the reason, when there can be no more.</summary>
    public static SharedRegion? Create(long length, out string? reason)
    {
        lock (Registering)
        {
            reason = $"there are {Maximum} regions of shared memory already";
            if (_all.Length == Maximum) return null;
            try
            {
                var region = new SharedRegion(_all.Length, MemoryFile.Create(length, readOnlyForPeers: true));
                Volatile.Write(ref _all, [.. _all, region]);
                return region;
            }
            catch (IOException e)
            {
                reason = e.Message;
                return null;
            }
        }
    }

    /// <summary>The region that holds all these bytes, and where; null: they are elsewhere.</summary>
    public static SharedRegion? Find(byte* start, int length, out long offset)
    {
        foreach (var region in Volatile.Read(ref _all))
        {
            offset = start - region.Start;
            if (offset >= 0 && offset <= region.Length - length) return region;
        }

        offset = 0;
        return null;
    }

    /// <summary>-1 when there is no room, or (with a reason) no memory for it. Not thread-safe.</summary>
    /// <param name="length">In bytes.</param>
    /// <param name="budget">Pages that may still be made, in bytes.</param>
    /// <param name="reason">Why not, when it is not for lack of room here.</param>
    public long Take(long length, long budget, out string? reason)
    {
        reason = null;
        var at = _free.FindIndex(extent => extent.Length >= length);
        if (at < 0) return -1;
        var (offset, room) = _free[at];
        if (offset + length > _committed)
        {
            var end = Math.Min(Length, (offset + length + CommitStep - 1) / CommitStep * CommitStep);
            if (end - _committed > budget)
            {
                reason = "the share of this machine's memory that may be shared is used up";
                return -1;
            }

            if (!_file.Commit(_committed, end - _committed, out reason)) return -1;
            _committed = end;
        }

        if (room == length) _free.RemoveAt(at);
        else _free[at] = (offset + length, room - length);
        return offset;
    }

    /// <summary>Gives back what <see cref="Take"/> gave. Not thread-safe.</summary>
    public void Return(long offset, long length)
    {
        var at = _free.FindIndex(extent => extent.Offset > offset);
        if (at < 0) at = _free.Count;
        if (at < _free.Count && offset + length == _free[at].Offset)
        {
            length += _free[at].Length;
            _free.RemoveAt(at);
        }

        if (at > 0 && _free[at - 1].Offset + _free[at - 1].Length == offset) _free[at - 1] = (_free[at - 1].Offset, _free[at - 1].Length + length);
        else _free.Insert(at, (offset, length));
    }
}
