using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>What a node says of itself to whoever looks after processes.</summary>
[Collection(ClusterCollection.Name)]
public sealed class NodeHealthTests : ActorTest
{
    private sealed class Clock : TimeProvider
    {
        public long Seconds { get; set; }

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Seconds;
    }

    [Fact]
    public void A_node_is_ready_when_it_is_a_member_and_the_coordinator_has_answered_lately()
    {
        var clock = new Clock { Seconds = 1000 };
        var health = new NodeHealth(Sys, ["worker"], clock);
        Assert.Equal((true, false), Judged(MemberStatus.Joining));
        Assert.Equal((true, false), Judged(MemberStatus.Up));
        health.HeardOfCoordinator();
        Assert.Equal((true, true), Judged(MemberStatus.Up));
        Assert.Equal((true, false), Judged(MemberStatus.Down));
        clock.Seconds += 11;
        Assert.Equal((true, false), Judged(MemberStatus.Up));

        (bool, bool) Judged(MemberStatus status) => health.Judge(status) is var judged ? (judged.IsAlive, judged.IsReady) : default;
    }

    [Fact]
    public void A_coordinator_is_ready_when_it_is_a_member() =>
        Assert.True(new NodeHealth(Sys, ["coordinator"], new Clock()).Judge(MemberStatus.Up).IsReady);

    [Fact]
    public async Task A_node_whose_actors_do_not_answer_is_not_alive()
    {
        var system = ActorSystem.Create("gone");
        await system.Terminate();
        Assert.False((await new NodeHealth(system, ["worker"], TimeProvider.System).CheckAsync()).IsAlive);
    }

    [Fact]
    public async Task The_endpoint_answers_for_the_node_of_the_moment()
    {
        NodeHost? current = null;
        var port = FreePort();
        var ends = false;
        using var endpoint = new HealthEndpoint(port, () => current, () => ends);
        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable), (await Code("/health/live"), await Code("/health/ready")));
        await using (current = await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator"] }, null, CancellationToken.None))
        {
            await current.JoinedAsync(TimeSpan.FromSeconds(30));
            Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (await Code("/health/live"), await Code("/health/ready")));
            ends = true;
            Assert.Equal((HttpStatusCode.OK, HttpStatusCode.ServiceUnavailable), (await Code("/health/live"), await Code("/health/ready")));
            Assert.Equal(HttpStatusCode.NotFound, await Code("/"));
            Assert.Equal(HttpStatusCode.NotFound, (await client.PostAsync("/health/live", null)).StatusCode);
        }

        Assert.Throws<ArgumentException>(() => new HealthEndpoint(port, () => null));

        async Task<HttpStatusCode> Code(string path) => (await client.GetAsync(path)).StatusCode;
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
