using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Cluster.Tools.Singleton;
using Akka.Configuration;
using Akka.Serialization;

namespace DistributedTrainer.Protocol.Tests;

/// <summary>An actor system with the settings that every node runs with.</summary>
public sealed class NodeConfigurationTests : IDisposable
{
    private readonly ExtendedActorSystem _system = (ExtendedActorSystem)ActorSystem.Create(
        "node",
        // Who decides when the network splits is in a room above this one.
        ConfigurationFactory.ParseString("akka.cluster.downing-provider-class = \"Akka.Cluster.NoDowning, Akka.Cluster\"").WithFallback(ConfigurationFactory.ParseString(File.ReadAllText(Path.Combine(Repository.Root, "cluster-config", "node.conf")))).WithFallback(ClusterSingleton.DefaultConfig()));

    public void Dispose() => _system.Dispose();

    [Fact]
    public void Every_protocol_message_goes_through_the_protocol_serializer()
    {
        foreach (var message in Samples.All)
        {
            Assert.IsType<ProtocolSerializer>(_system.Serialization.FindSerializerFor(message));
            var bytes = _system.Serialization.Serialize(message);
            Samples.AssertSame(message, _system.Serialization.Deserialize(bytes, 7301, _system.Serialization.FindSerializerFor(message) is SerializerWithStringManifest s ? s.Manifest(message) : ""));
        }
    }

    [Fact]
    public void Everything_that_is_no_message_meets_the_refusing_serializer()
    {
        foreach (var stranger in new object[] { new SetSums(0, 0, 0), new Uri("http://localhost"), new Dictionary<string, object>(), new List<int> { 1 }, 1.5, new Exception("no") })
        {
            Assert.IsType<RefusingSerializer>(_system.Serialization.FindSerializerFor(stranger));
            Assert.Throws<SerializationException>(() => _system.Serialization.Serialize(stranger));
        }
    }

    [Fact]
    public void The_default_json_form_is_refused_on_arrival()
    {
        var bytes = "{\"$type\":\"System.IO.FileInfo, System.Private.CoreLib\",\"fileName\":\"/tmp/x\"}"u8.ToArray();
        var refusal = Assert.Throws<SerializationException>(() => _system.Serialization.Deserialize(bytes, 1, "System.IO.FileInfo, System.Private.CoreLib"));
        Assert.Contains("refused", refusal.Message);
        Assert.Throws<SerializationException>(() => _system.Serialization.Deserialize(bytes, 1, typeof(object)));
    }

    [Fact]
    public void No_serializer_that_resolves_type_names_is_left()
    {
        var names = _system.Settings.Config.GetConfig("akka.actor.serializers").AsEnumerable().Select(pair => pair.Value.GetString()).ToArray();
        Assert.Contains(names, name => name.Contains(nameof(ProtocolSerializer)));
        Assert.DoesNotContain(names, name => name.Contains("NewtonSoft", StringComparison.OrdinalIgnoreCase) || name.Contains("Hyperion", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void The_refusing_serializer_refuses_in_both_directions()
    {
        var serializer = new RefusingSerializer(_system);
        Assert.Contains("System.String", Assert.Throws<SerializationException>(() => serializer.ToBinary("text")).Message);
        Assert.Throws<SerializationException>(() => serializer.ToBinary(Samples.All[0]));
        Assert.Throws<SerializationException>(() => serializer.FromBinary([], typeof(string)));
        Assert.Throws<SerializationException>(() => serializer.FromBinary<string>([]));
    }
}
