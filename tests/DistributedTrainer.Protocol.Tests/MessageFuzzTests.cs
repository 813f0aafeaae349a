using System.Runtime.Serialization;
using Akka.Actor;
using DistributedTrainer.Tests.Shared;

namespace DistributedTrainer.Protocol.Tests;

public sealed class MessageFuzzTests : IDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create("fuzz", "akka { loggers = [], stdout-loglevel = OFF }");

    public void Dispose() => _system.Dispose();

    [Fact]
    public void Damaged_messages_are_read_or_refused()
    {
        var serializer = new ProtocolSerializer((ExtendedActorSystem)_system);
        foreach (var (message, number) in Samples.All.Select(static (message, number) => (message, number)))
        {
            var manifest = serializer.Manifest(message);
            Fuzz.Run(
                20_260_400 + number, 150, [serializer.ToBinary(message)], factor: 200, free: 64 << 10,
                bytes => serializer.FromBinary(bytes, manifest), static problem => problem is SerializationException);
        }
    }

    [Fact]
    public void Names_of_types_are_no_messages()
    {
        var serializer = new ProtocolSerializer((ExtendedActorSystem)_system);
        foreach (var name in (string[])["System.Object", "System.Diagnostics.Process, System.Diagnostics.Process", typeof(Nodes.EndRun).AssemblyQualifiedName!, typeof(Nodes.EndRun).FullName!, ""])
        {
            Assert.Throws<SerializationException>(() => serializer.FromBinary("{}"u8.ToArray(), name));
        }
    }
}
