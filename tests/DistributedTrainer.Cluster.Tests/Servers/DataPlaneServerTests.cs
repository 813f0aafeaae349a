using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Protocol;
using Route = DistributedTrainer.Protocol.Workers.Route;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class DataPlaneServerTests
{
    [Fact]
    public void A_server_that_cannot_open_all_doors_opens_none()
    {
        // An address of documentation: no machine has it.
        Assert.Throws<IOException>(() => Open("203.0.113.1"));
        using var server = Open("127.0.0.1");
        Assert.Equal("tcp", server.Addresses[^1].Split(':')[0]);
    }

    [Fact]
    public void A_worker_of_another_container_with_the_same_host_name_takes_the_next_way()
    {
        var plan = new TestExperiment { Layers = ["linear: 3"] }.Plan();
        using var server = new DataPlaneServer("127.0.0.1", $"far-{Environment.ProcessId}", plan.Token, static _ => { });
        var elsewhere = server.Addresses.Select(static address => address.Replace(Path.GetTempPath(), "/nowhere/", StringComparison.Ordinal)).ToArray();
        Assert.NotEqual(server.Addresses, elsewhere);
        using var links = new ServerLinks(plan, new WorkerInbox(plan), "w", "here", "auto");
        links.Connect([.. plan.Ranges.Select(range => new Route(new PartitionId(range.Id), new NodeId("s"), "here", Environment.ProcessId + 1, elsewhere))]);
    }

    [Fact]
    public void A_server_that_no_way_reaches_is_an_error_that_names_them_all()
    {
        var plan = new TestExperiment { Layers = ["linear: 3"] }.Plan();
        string[] nowhere = ["unix:///nowhere/a.sock", "tcp://127.0.0.1:1"];
        using var links = new ServerLinks(plan, new WorkerInbox(plan), "w", "here", "auto");
        var error = Assert.Throws<ChannelClosedException>(() =>
            links.Connect([.. plan.Ranges.Select(range => new Route(new PartitionId(range.Id), new NodeId("s"), "here", Environment.ProcessId + 1, nowhere))]));
        Assert.All(nowhere, address => Assert.Contains(address, error.Message));
    }

    [Fact]
    public void Strangers_without_the_run_token_are_turned_away_and_told_of_once()
    {
        const ulong Token = 0xfeed_beef_1234_5678;
        var log = new System.Collections.Concurrent.ConcurrentQueue<string>();
        using (var server = new DataPlaneServer("127.0.0.1", $"token-{Environment.ProcessId}", Token, log.Enqueue))
        {
            // What anybody can see does not give the token away.
            Assert.All(server.Addresses, static address => Assert.DoesNotContain("feed", address, StringComparison.OrdinalIgnoreCase));
            for (var bit = 0; bit < 64; bit++)
            {
                var refused = Assert.Throws<ChannelClosedException>(
                    () => new SocketTransport().Connect(server.Addresses[^1], new Deaf(), new ChannelOptions { RunToken = Token ^ (1UL << bit) }));
                Assert.Contains("another run token", refused.Message, StringComparison.Ordinal);
            }

            // Whoever starts on this machine looks whether its sockets are still in use: no stranger.
            SocketTransport.RemoveStaleFiles(Path.GetTempPath(), "dtrain-*.sock");
            Assert.Contains("another run token", Assert.Single(log), StringComparison.Ordinal);
            using var friend = new SocketTransport().Connect(server.Addresses[^1], new Deaf(), new ChannelOptions { RunToken = Token });
            Assert.True(friend.IsOpen);
        }
    }

    private sealed class Deaf : IFrameHandler
    {
        public Span<byte> Reserve(IChannel channel, in FrameHeader header) => [];

        public void Complete(IChannel channel, in FrameHeader header)
        {
        }

        public void Abandoned(IChannel channel, in FrameHeader header)
        {
        }

        public void Closed(IChannel channel, string reason)
        {
        }
    }

    private static DataPlaneServer Open(string host) => new(host, $"doors-{Environment.ProcessId}", 1, static _ => { });
}
