using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Remote.Serialization;
using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>What a node does not read at its control port.</summary>
[Collection(ClusterCollection.Name)]
public sealed class SerializersTests
{
    [Fact]
    public async Task Neither_messages_by_the_name_of_their_type_nor_actors_to_be_made_are_read()
    {
        await using var node = await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator"] }, null, CancellationToken.None);
        var system = (ExtendedActorSystem)node.Actors;
        foreach (var id in (int[])[1, new ProtobufSerializer(system).Identifier, new DaemonMsgCreateSerializer(system).Identifier])
        {
            var refused = Assert.Throws<SerializationException>(() => system.Serialization.Deserialize("{}"u8.ToArray(), id, "System.IO.FileInfo, System.Private.CoreLib"));
            Assert.Matches(id == 1 ? "was refused" : $"Cannot find serializer with id \\[{id}\\]", refused.Message);
        }
    }
}
