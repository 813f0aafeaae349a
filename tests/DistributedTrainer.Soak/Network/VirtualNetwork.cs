namespace DistributedTrainer.Soak.Network;

/// <summary>How the hosts are linked.</summary>
internal enum LinkKind
{
    /// <summary>As fast as this machine.</summary>
    Plain,

    /// <summary>From host to host, over two links, each frame takes 50 ms, and one in a hundred is lost.</summary>
    Bad,

    /// <summary>50 Mbit/s, in each direction.</summary>
    Narrow,
}

/// <summary>
/// Hosts as network namespaces of this machine, each with one link to a switch. The switch has a namespace of its own too, so
/// that nothing of the machine's network is touched, and all is gone with the namespaces. Their names begin with a prefix.
/// </summary>
internal sealed class VirtualNetwork : IAsyncDisposable
{
    // Nobody has this address: what is sent to it is lost on the way, and whoever sends it is not told.
    private const string NobodysMac = "02:00:00:00:00:fe";

    private readonly string _prefix;
    private readonly IReadOnlyList<string> _hosts;
    private readonly LinkKind _kind;
    private readonly List<BadLink> _bad = [];
    private readonly int _seed;

    private VirtualNetwork(string prefix, IReadOnlyList<string> hosts, LinkKind kind, int seed) =>
        (_prefix, _hosts, _kind, _seed) = (prefix, hosts, kind, seed);

    public LinkKind Kind => _kind;

    private string Switch => $"{_prefix}-switch";

    public static async Task<VirtualNetwork> Create(string prefix, IReadOnlyList<string> hosts, LinkKind kind, int seed)
    {
        var network = new VirtualNetwork(prefix, hosts, kind, seed);
        try
        {
            await network.Build();
            return network;
        }
        catch
        {
            await network.DisposeAsync();
            throw;
        }
    }

    /// <summary>Whether such links can be made here; else why not.</summary>
    public static string? ProblemOf(LinkKind kind) => kind == LinkKind.Bad ? TapDevice.Problem : null;

    /// <summary>The command that runs another one on a host.</summary>
    public IReadOnlyList<string> On(string host) => ["ip", "netns", "exec", Space(host)];

    public string AddressOf(string host) => $"10.77.0.{_hosts.ToList().IndexOf(host) + 1}";

    /// <summary>The cable is pulled.</summary>
    public Task Unplug(string host) => Shell.Run($"ip -n {Switch} link set {host} down");

    public Task Plug(string host) => Shell.Run($"ip -n {Switch} link set {host} up");

    /// <summary>What the host sends is lost; what is sent to it arrives.</summary>
    public async Task Mute(string host)
    {
        foreach (var other in _hosts.Where(other => other != host))
        {
            await Misdirect(host, other);
        }
    }

    /// <summary>The line between two hosts is cut, in both directions; all others reach both.</summary>
    public async Task Part(string one, string other)
    {
        await Misdirect(one, other);
        await Misdirect(other, one);
    }

    public async Task Join(string one, string other)
    {
        await Unmute(one);
        await Unmute(other);
    }

    public Task Unmute(string host) => Shell.Run($"ip -n {Space(host)} neighbour flush nud permanent dev eth0");

    /// <summary>These hosts have a switch of their own: they reach each other, and nobody else.</summary>
    public async Task Split(IEnumerable<string> hosts)
    {
        foreach (var host in hosts)
        {
            await Shell.Run($"ip -n {Switch} link set {host} master apart");
        }
    }

    public async Task Heal(IEnumerable<string> hosts)
    {
        foreach (var host in hosts)
        {
            await Shell.Run($"ip -n {Switch} link set {host} master bridge");
        }
    }

    /// <summary>The host is gone from the network, whose others are not told.</summary>
    public Task Remove(string host) => Shell.Run($"ip -n {Switch} link delete {host}");

    /// <summary>A link to a host, which answers under the host's address.</summary>
    public async Task Link(string host)
    {
        if (_kind == LinkKind.Bad)
        {
            var link = new BadLink($"dt{Environment.ProcessId}.{_bad.Count}", _seed + _bad.Count);
            _bad.Add(link);
            await Shell.Run($"ip link set {link.HostEnd} netns {Space(host)} name eth0");
            await Shell.Run($"ip link set {link.SwitchEnd} netns {Switch} name {host}");
            link.Start();
        }
        else
        {
            await Shell.Run($"ip -n {Switch} link add {host} type veth peer name eth0 netns {Space(host)}");
        }

        await Shell.Run($"ip -n {Switch} link set {host} master bridge up");
        await Shell.Run($"ip -n {Space(host)} address add {AddressOf(host)}/24 dev eth0");
        await Shell.Run($"ip -n {Space(host)} link set eth0 up");
        if (_kind == LinkKind.Narrow)
        {
            const string Limit = "root tbf rate 50mbit burst 64kb latency 200ms";
            await Shell.Run($"tc -n {Switch} qdisc add dev {host} {Limit}");
            await Shell.Run($"tc -n {Space(host)} qdisc add dev eth0 {Limit}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var link in _bad)
        {
            link.Dispose();
        }

        foreach (var space in _hosts.Select(Space).Append(Switch).Where(static space => File.Exists($"/run/netns/{space}")))
        {
            await Shell.Run($"ip netns delete {space}");
        }
    }

    private Task Misdirect(string from, string to) =>
        Shell.Run($"ip -n {Space(from)} neighbour replace {AddressOf(to)} lladdr {NobodysMac} nud permanent dev eth0");

    private string Space(string host) => $"{_prefix}-{host}";

    private async Task Build()
    {
        await Shell.Run($"ip netns add {Switch}");
        foreach (var bridge in (string[])["bridge", "apart"])
        {
            await Shell.Run($"ip -n {Switch} link add {bridge} type bridge");
            await Shell.Run($"ip -n {Switch} link set {bridge} up");
        }

        foreach (var host in _hosts)
        {
            await Shell.Run($"ip netns add {Space(host)}");
            await Shell.Run($"ip -n {Space(host)} link set lo up");
            await Link(host);
        }
    }
}
