namespace DistributedTrainer.Channels.Shared;

/// <summary>Cuts buffers from regions, and uses again what comes back. Regions stay for the life of the process.</summary>
/// <param name="limit">The most bytes that may ever be taken from the system.</param>
/// <param name="regionBytes">Addresses of a region; only what is used of it takes memory.</param>
internal sealed class SharedPool(long limit, long regionBytes)
{
    /// <summary>One cache line, one 512-bit register.</summary>
    public const int Alignment = 64;

    private readonly Lock _gate = new();
    private readonly List<SharedRegion> _regions = [];

    /// <summary>
    /// The pool of the process: at most half the memory there is (what tmpfs takes too), since the collector neither sees
    /// nor returns it; regions large enough that a peer maps one or two of them.
    /// </summary>
    public static SharedPool Instance { get; } = new(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2, 1L << 30);

    /// <summary>A place of at least this length, a multiple of <see cref="Alignment"/>; null with the reason.</summary>
    public SharedRegion? Rent(long length, out long offset, out string? reason)
    {
        offset = -1;
        reason = MemoryFile.Problem;
        if (reason is not null) return null;
        lock (_gate)
        {
            var budget = limit - _regions.Sum(static region => region.Committed);
            foreach (var region in _regions)
            {
                offset = region.Take(length, budget, out reason);
                if (offset >= 0) return region;
                if (reason is not null) return null;
            }

            var page = Environment.SystemPageSize;
            var added = SharedRegion.Create(Math.Max(regionBytes, (length + page - 1) / page * page), out reason);
            if (added is null) return null;
            _regions.Add(added);
            offset = added.Take(length, budget, out reason);
            return offset >= 0 ? added : null;
        }
    }

    public void Return(SharedRegion region, long offset, long length)
    {
        lock (_gate) region.Return(offset, length);
    }
}
