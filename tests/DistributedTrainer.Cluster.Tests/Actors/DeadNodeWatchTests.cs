using System.Collections.Concurrent;
using Akka.Actor;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>Nodes that have nobody who tells of their death, as on machines of their own.</summary>
[Collection(ClusterCollection.Name)]
public sealed class DeadNodeWatchTests : IDisposable
{
    // Far below the failure detector's ten seconds and the resolver's further ten, and far above what a busy machine needs.
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(9);

    private readonly TemporaryFolder _folder = new();
    private readonly ConcurrentQueue<string> _log = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_node_whose_port_is_closed_is_taken_out_at_once_and_one_that_only_lost_its_connection_is_not()
    {
        await using var coordinator = await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator"] }, _log.Enqueue, CancellationToken.None);
        await using var alive = await Join(coordinator);
        var dead = await Join(coordinator);
        var watch = coordinator.Actors.ActorSelection("/user/dead-nodes");
        var ended = DateTime.UtcNow;

        // A connection that ends is no proof: this one's process lives.
        Disassociated(alive);
        ((Akka.Actor.Internal.ActorSystemImpl)dead.Actors).Abort();
        await dead.Actors.WhenTerminated.WaitAsync(TimeSpan.FromSeconds(60));
        Disassociated(dead);

        var cluster = Akka.Cluster.Cluster.Get(coordinator.Actors);
        while (cluster.State.Members.Any(member => $"{member.Address.Host}:{member.Address.Port}" == dead.Address))
        {
            Assert.True(DateTime.UtcNow - ended < Soon, $"{dead.Address} is still a member\n{string.Join('\n', _log)}");
            await Task.Delay(20);
        }

        Assert.Equal([$"{dead.Address} is dead: nobody listens there any more"], _log.Where(static line => line.Contains("is dead", StringComparison.Ordinal)));
        Assert.Contains(cluster.State.Members, member => $"{member.Address.Host}:{member.Address.Port}" == alive.Address);
        await dead.DisposeAsync();

        void Disassociated(NodeHost node) => watch.Tell(
            new Akka.Remote.DisassociatedEvent(Akka.Cluster.Cluster.Get(coordinator.Actors).SelfAddress, Akka.Cluster.Cluster.Get(node.Actors).SelfAddress, false));
    }

    private static async Task<NodeHost> Join(NodeHost coordinator)
    {
        var node = await NodeHost.StartAsync(new NodeOptions { Roles = ["worker"], Join = coordinator.Address }, null, CancellationToken.None);
        await node.JoinedAsync(TimeSpan.FromSeconds(60));
        return node;
    }
}
