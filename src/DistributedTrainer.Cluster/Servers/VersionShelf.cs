namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// Versions of a partition that are used again: one for even steps and one for odd ones, which lie beside those of the partitions
/// next to it, and others while those are still read.
/// </summary>
internal sealed class VersionShelf : IDisposable
{
    private readonly Spares<ParameterVersion>[] _placed;
    private readonly Spares<ParameterVersion> _others;

    /// <param name="partition">Whose.</param>
    /// <param name="length">Numbers of a version.</param>
    /// <param name="memory">Of the server's partitions.</param>
    public VersionShelf(int partition, int length, VersionMemory memory)
    {
        _placed =
        [
            .. Enumerable.Range(0, VersionMemory.Slabs)
                .Select(slab => new Spares<ParameterVersion>(spares => new ParameterVersion(memory.Take(partition, slab), spares), most: 1)),
        ];
        _others = new Spares<ParameterVersion>(spares => new ParameterVersion(new SharedFloats(length), spares));
    }

    /// <summary>A version for a step, with any content. For one thread at a time.</summary>
    public ParameterVersion Rent(long step) => _placed[step % VersionMemory.Slabs].TryRent() ?? Rent();

    /// <summary>A version that lies anywhere.</summary>
    public ParameterVersion Rent() => _others.Rent();

    /// <summary>No more are rented; each is freed when nobody reads it any more.</summary>
    public void Dispose()
    {
        Array.ForEach(_placed, static placed => placed.Dispose());
        _others.Dispose();
    }
}
