namespace DistributedTrainer.Soak.Network;

/// <summary>One thing that is done to the network while a run goes on.</summary>
/// <param name="Name">For the command line.</param>
/// <param name="What">For the table.</param>
/// <param name="Kind">Of the links, for the whole run.</param>
/// <param name="Do">Does it, and returns when the network is whole again.</param>
internal sealed record NetworkCase(string Name, string What, LinkKind Kind, Func<NetworkCluster, CancellationToken, Task> Do)
{
    // The failure detector takes some 10 s, and the resolver 10 s more.
    private static readonly TimeSpan Away = TimeSpan.FromSeconds(30);

    // The first has no server with it; together they could train.
    private static readonly string[] OtherHalf = ["server-2", "worker-2", "worker-3"];

    public static IReadOnlyList<NetworkCase> All { get; } =
    [
        Unplugged("worker-1"),
        Unplugged("server-1"),
        Unplugged(NetworkCluster.Coordinator),
        OneWay("worker-2"),
        OneWay("server-2"),
        new("line-cut", "line between a worker and a server cut", LinkKind.Plain, static async (cluster, cancel) =>
        {
            await cluster.Network.Part("worker-2", "server-1");
            await Task.Delay(Away, cancel);
            await cluster.Network.Join("worker-2", "server-1");
        }),
        new("bad-links", "50 ms and 1 % loss between all hosts", LinkKind.Bad, static (_, _) => Task.CompletedTask),
        new("narrow-links", "50 Mbit/s on all links", LinkKind.Narrow, static (_, _) => Task.CompletedTask),
        new("split", "two halves", LinkKind.Plain, static async (cluster, cancel) =>
        {
            await cluster.Network.Split(OtherHalf);
            await Task.Delay(Away, cancel);
            await cluster.Network.Heal(OtherHalf);
        }),
        Replaced("worker-3"),
        Replaced("server-2"),
    ];

    /// <summary>Whether the run is as long as an absence needs; else it has few steps, since each takes long.</summary>
    public bool IsLong => Kind != LinkKind.Bad;

    private static NetworkCase Unplugged(string host) => new($"{Role(host)}-unplugged", $"link of a {Role(host)} down", LinkKind.Plain, async (cluster, cancel) =>
    {
        await cluster.Network.Unplug(host);
        await Task.Delay(Away, cancel);
        await cluster.Network.Plug(host);
    });

    private static NetworkCase OneWay(string host) => new($"{Role(host)}-one-way", $"what a {Role(host)} sends is lost", LinkKind.Plain, async (cluster, cancel) =>
    {
        await cluster.Network.Mute(host);
        await Task.Delay(Away, cancel);
        await cluster.Network.Unmute(host);
    });

    private static NetworkCase Replaced(string host) => new(
        $"{Role(host)}-replaced", $"a {Role(host)}'s host replaced", LinkKind.Plain, (cluster, cancel) => cluster.Replace(host, cancel));

    private static string Role(string host) => host.Split('-')[0];
}
