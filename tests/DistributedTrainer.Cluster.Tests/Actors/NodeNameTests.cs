using Akka.Actor;
using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>Names of nodes, which tell who is who in the cluster.</summary>
public sealed class NodeNameTests
{
    [Theory]
    [InlineData("127.0.0.1", "worker-4053-7")]
    [InlineData("::1", "worker-4053-7")]
    [InlineData("10.0.0.3", "worker-10.0.0.3-4053-7")]
    [InlineData("trainer-2.example", "worker-trainer-2.example-4053-7")]
    [InlineData("fe80::3", "worker-fe80..3-4053-7")]
    public void A_name_tells_hosts_apart(string host, string name) =>
        Assert.Equal(name, NodeHost.NameOf("worker", new Address("akka.tcp", "dtrain", host, 4053), 7).Value);
}
