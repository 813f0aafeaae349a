namespace DistributedTrainer.Channels;

/// <summary>Picks the way to a peer.</summary>
public static class TransportSelector
{
    /// <summary>The names that <see cref="Choose"/> knows; after auto the fastest first.</summary>
    public static IReadOnlyList<string> Names { get; } = ["auto", "in-process", "shared-memory", "unix", "tcp"];

    /// <summary>
    /// The addresses to connect to, in this order until one answers. <c>auto</c> gives all that may reach the peer, the
    /// fastest first: in-process, shared memory, Unix domain socket, TCP. Two containers may have the same host name and
    /// yet not the same files: then the next way is taken.
    /// </summary>
    /// <param name="transport">auto, in-process, shared-memory, unix or tcp.</param>
    /// <param name="addressesOfPeer">Where the peer listens.</param>
    /// <param name="sameProcess">The peer lives in this process.</param>
    /// <param name="sameHost">The peer lives on this host (implied by <paramref name="sameProcess"/>).</param>
    /// <returns>At least one.</returns>
    /// <exception cref="ArgumentException">The transport has no such name.</exception>
    /// <exception cref="InvalidOperationException">No address of the peer can be reached this way.</exception>
    public static IReadOnlyList<string> Choose(string transport, IReadOnlyList<string> addressesOfPeer, bool sameProcess, bool sameHost)
    {
        if (!Names.Contains(transport)) throw new ArgumentException($"transport: '{transport}' is none of {string.Join(", ", Names)}", nameof(transport));

        var ways = Names.Skip(1).Where(name => (transport == "auto" || transport == name) && Reaches(name, sameProcess, sameHost))
            .Select(name => addressesOfPeer.FirstOrDefault(a => a.StartsWith(name + "://", StringComparison.Ordinal)))
            .OfType<string>().ToArray();
        if (ways.Length > 0) return ways;

        var where = sameProcess ? "in this process" : sameHost ? "on this host" : "on another host";
        throw new InvalidOperationException(
            $"transport: '{transport}' does not reach the peer {where}, which listens at [{string.Join(", ", addressesOfPeer)}]. Set cluster.transport to auto.");
    }

    private static bool Reaches(string name, bool sameProcess, bool sameHost) => name switch
    {
        "in-process" => sameProcess,
        "shared-memory" => (sameHost || sameProcess) && SharedMemory.Problem is null,
        "unix" => sameHost || sameProcess,
        _ => true,
    };
}
