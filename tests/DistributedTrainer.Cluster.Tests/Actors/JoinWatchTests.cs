using Akka.Actor;
using Akka.Configuration;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>A node that is connected to others and yet not let in.</summary>
[Collection(ClusterCollection.Name)]
public sealed class JoinWatchTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task It_begins_anew_under_its_address_and_is_in_no_hurry_the_next_time()
    {
        // It takes every connection, and answers nobody.
        using var mute = ActorSystem.Create("dtrain", ConfigurationFactory.ParseString("""
            akka.actor.provider = remote
            akka.remote.dot-netty.tcp { hostname = "127.0.0.1", port = 0 }
            akka.loglevel = OFF
            akka.log-dead-letters = off
            """));
        var address = ((ExtendedActorSystem)mute).Provider.DefaultAddress;
        var said = new List<string>();
        await using var node = await NodeHost.StartAsync(
            new NodeOptions { Roles = ["worker"], Join = $"{address.Host}:{address.Port}", JoinLimit = TimeSpan.FromSeconds(0.5) }, said.Add, CancellationToken.None);
        Assert.Equal("the node was taken out of the cluster", await node.Completion.WaitAsync(Limit));
        Assert.Contains($"{address.Host}:{address.Port} is connected, and the node was not let into the cluster for 0.5 s: it begins anew", said);
        var again = node.Return!;
        Assert.Equal((node.Address, TimeSpan.FromSeconds(1)), ($"{again.Host}:{again.Port}", again.JoinLimit));

        // Where somebody answers now it is let in, and stays.
        await mute.Terminate();
        await using var home = await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator"], Port = address.Port!.Value }, null, CancellationToken.None);
        await using var back = await JoinedNode.StartAsync(again);
        Assert.Equal((node.Address, false), (back.Address, back.Completion.IsCompleted));
    }
}
