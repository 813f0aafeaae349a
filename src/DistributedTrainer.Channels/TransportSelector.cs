namespace DistributedTrainer.Channels;

/// <summary>Picks the way to a peer.</summary>
public static class TransportSelector
{
    /// <summary>The names that <see cref="Choose"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = ["auto", "in-process", "unix", "tcp"];

    /// <summary>
    /// The address to connect to. <c>auto</c> takes the fastest that reaches the peer: in-process, then unix, then tcp.
    /// </summary>
    /// <param name="transport">auto, in-process, unix or tcp.</param>
    /// <param name="addressesOfPeer">Where the peer listens.</param>
    /// <param name="sameProcess">The peer lives in this process.</param>
    /// <param name="sameHost">The peer lives on this host (implied by <paramref name="sameProcess"/>).</param>
    /// <exception cref="ArgumentException">The transport has no such name.</exception>
    /// <exception cref="InvalidOperationException">No address of the peer can be reached this way.</exception>
    public static string Choose(string transport, IReadOnlyList<string> addressesOfPeer, bool sameProcess, bool sameHost)
    {
        if (!Names.Contains(transport)) throw new ArgumentException($"transport: '{transport}' is none of {string.Join(", ", Names)}", nameof(transport));

        foreach (var name in Names.Skip(1))
        {
            if (transport != "auto" && transport != name) continue;
            if (name == "in-process" && !sameProcess || name == "unix" && !(sameHost || sameProcess)) continue;
            if (addressesOfPeer.FirstOrDefault(a => a.StartsWith(name + "://", StringComparison.Ordinal)) is { } address) return address;
        }

        var where = sameProcess ? "in this process" : sameHost ? "on this host" : "on another host";
        throw new InvalidOperationException(
            $"transport: '{transport}' does not reach the peer {where}, which listens at [{string.Join(", ", addressesOfPeer)}]. Set cluster.transport to auto.");
    }
}
