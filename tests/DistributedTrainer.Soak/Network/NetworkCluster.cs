namespace DistributedTrainer.Soak.Network;

/// <summary>A coordinator, two servers and three workers, each on a host of its own.</summary>
internal sealed class NetworkCluster : IAsyncDisposable
{
    public const string Coordinator = "coordinator";

    private const string Port = "4053";

    private readonly Dictionary<string, NodePlace> _places;
    private readonly VirtualNetwork _network;

    private readonly string? _certificates;

    /// <param name="network">Its hosts.</param>
    /// <param name="folder">For what the nodes print.</param>
    /// <param name="closed">Whether it is closed to strangers.</param>
    public NetworkCluster(VirtualNetwork network, string folder, bool closed)
    {
        (_network, _certificates) = (network, closed ? Path.Combine(folder, "tls") : null);
        _places = Hosts.ToDictionary(
            static host => host,
            host => new NodePlace(host, host.Split('-')[0], folder, new Home(network.On(host), network.AddressOf(host), Port), CertificatesOf(host)));
    }

    public static IReadOnlyList<string> Hosts { get; } = [Coordinator, "server-1", "server-2", "worker-1", "worker-2", "worker-3"];

    public VirtualNetwork Network => _network;

    /// <summary>Of the coordinator's host, where whoever submits is too; null: the cluster is open.</summary>
    public string? Certificates => CertificatesOf(Coordinator);

    public string Address => _places[Coordinator].Address;

    public IEnumerable<NodeProcess> Lives => _places.Values.SelectMany(static place => place.Lives);

    /// <summary>Processes that ended although nobody wanted them to.</summary>
    public IEnumerable<NodeProcess> Missing => Lives.Where(static life => life.IsMissing);

    /// <exception cref="SoakFailure">A node does not start, or there are no certificates for it.</exception>
    public async Task Start(CancellationToken cancel)
    {
        if (_certificates is not null)
        {
            var made = new ClusterCertificates(_certificates);
            foreach (var host in Hosts)
            {
                await made.Make(host, _network.AddressOf(host));
            }
        }

        await _places[Coordinator].Start([], samePort: true, cancel);
        await Task.WhenAll(_places.Values.Where(static place => place.Role != Coordinator).Select(place => Start(place, cancel)));
    }

    /// <summary>The host is lost, and another one comes in its place at once, with its address and the same node.</summary>
    public async Task Replace(string host, CancellationToken cancel)
    {
        // Without its link the process cannot take leave.
        await _network.Remove(host);
        await _places[host].Now.Kill();
        await _network.Link(host);
        await Start(_places[host], cancel);
    }

    /// <summary>Asks everybody to end, workers first; says who did not end in good order.</summary>
    public Task<IReadOnlyList<string>> End(TimeSpan limit) => NodeProcess.End(Lives, limit);

    public async ValueTask DisposeAsync()
    {
        foreach (var place in _places.Values)
        {
            await place.DisposeAsync();
        }
    }

    private string? CertificatesOf(string host) => _certificates is null ? null : Path.Combine(_certificates, host);

    // A server that named itself would found a cluster of its own if nobody answered.
    private Task Start(NodePlace place, CancellationToken cancel) =>
        place.Start(Hosts.Where(host => host != place.Name && !host.StartsWith("worker", StringComparison.Ordinal)).Select(host => $"{_network.AddressOf(host)}:{Port}"), samePort: true, cancel);
}
