using System.Reflection;
using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch.SysMsg;
using Akka.Remote.Serialization;
using Akka.Routing;
using Akka.Serialization;
using DistributedTrainer.Cluster.Hosting;
using Google.Protobuf;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>What a node does not read at its control port, sent by an actor system that has Akka.NET's own settings.</summary>
[Collection(ClusterCollection.Name)]
public sealed class SerializersTests : IAsyncLifetime
{
    private readonly ActorSystem _stranger = ActorSystem.Create("stranger", ConfigurationFactory.ParseString("""
        akka { actor.provider = remote, loglevel = OFF, stdout-loglevel = OFF, loggers = [], remote.dot-netty.tcp { hostname = "127.0.0.1", port = 0 } }
        """));

    private NodeHost _node = null!;

    private ExtendedActorSystem Node => (ExtendedActorSystem)_node.Actors;

    private ExtendedActorSystem Stranger => (ExtendedActorSystem)_stranger;

    public async Task InitializeAsync()
    {
        Bait.Made = 0;
        _node = await NodeHost.StartAsync(new NodeOptions { Roles = ["coordinator"] }, null, CancellationToken.None);
    }

    public async Task DisposeAsync()
    {
        await _stranger.Terminate();
        await _node.DisposeAsync();
    }

    [Fact]
    public void Neither_messages_by_the_name_of_their_type_nor_actors_to_be_made_are_read()
    {
        foreach (var id in (int[])[1, new ProtobufSerializer(Node).Identifier, new DaemonMsgCreateSerializer(Node).Identifier, 4, 36])
        {
            var refused = Assert.Throws<SerializationException>(() => Node.Serialization.Deserialize("{}"u8.ToArray(), id, "System.IO.FileInfo, System.Private.CoreLib"));
            Assert.Matches(id == 1 ? "was refused" : $"Cannot find serializer with id \\[{id}\\]", refused.Message);
        }
    }

    /// <summary>Each of Akka.NET's own messages that carries an exception, ends an actor or makes one.</summary>
    [Fact]
    public void Messages_that_carry_exceptions_or_end_actors_are_refused_before_a_type_is_looked_up()
    {
        var bait = new Bait("come");
        object[] harmful =
        [
            new Status.Failure(bait), new Recreate(bait), new Failed(Node.DeadLetters, bait, 1), new Create(new ActorInitializationException(Node.DeadLetters, "no", bait)),
            new Resume(bait), new Suspend(), new Terminate(), new Supervise(Node.DeadLetters, true), PoisonPill.Instance, Kill.Instance, new Status.Success(1),
            new RemoteScope(new Address("akka.tcp", "x", "127.0.0.1", 1)), ConfigurationFactory.ParseString("a = 1"), new RoundRobinPool(1), FromConfig.Instance,
        ];
        foreach (var message in harmful)
        {
            var serializer = Stranger.Serialization.FindSerializerFor(message);
            var bytes = Serialization.WithTransport(Stranger, () => serializer.ToBinary(message));
            var refused = Assert.Throws<SerializationException>(() => Node.Serialization.Deserialize(bytes, serializer.Identifier, Serialization.ManifestFor(serializer, message)));
            Assert.Contains("was refused", refused.Message);

            // Nor does a node send one.
            Assert.Throws<SerializationException>(() => Serialization.WithTransport(Node, () => Node.Serialization.Serialize(message)));
        }

        Assert.Equal(0, Bait.Made);

        // The bait is one: whoever reads it as Akka.NET does makes it.
        var whole = Stranger.Serialization.FindSerializerFor(harmful[0]);
        Stranger.Serialization.Deserialize(whole.ToBinary(harmful[0]), whole.Identifier, Serialization.ManifestFor(whole, harmful[0]));
        Assert.Equal(1, Bait.Made);
    }

    /// <summary>No serializer that is left looks up what is named on the wire: all of them take names from tables.</summary>
    [Fact]
    public void Every_serializer_that_is_reachable_compares_names_with_a_table()
    {
        var reachable = (IEnumerable<Serializer>)((System.Collections.IDictionary)typeof(Serialization)
            .GetField("_serializersById", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(Node.Serialization)!).Values.Cast<Serializer>().ToArray();
        Assert.InRange(reachable.Count(), 8, 12);
        foreach (var serializer in reachable)
        {
            Assert.IsAssignableFrom<SerializerWithStringManifest>(serializer);
            Assert.ThrowsAny<Exception>(() => Node.Serialization.Deserialize([], serializer.Identifier, typeof(Bait).AssemblyQualifiedName!));
        }

        Assert.Equal(0, Bait.Made);
    }

    [Fact]
    public void Messages_within_messages_do_not_reach_the_end_of_the_stack()
    {
        // Protobuf's fields of a selection (1: the payload) and of a payload (1: bytes, 2: whose they are).
        var bytes = Array.Empty<byte>();
        for (var i = 0; i < 5000; i++)
        {
            bytes = Field(1, [.. Field(1, bytes), 2 << 3, 6]);
        }

        Assert.InRange(bytes.Length, 20_000, 128_000);
        Assert.Throws<SerializationException>(() => Node.Serialization.Deserialize(bytes, 6, ""));

        // One within is what every message to a path is.
        var selection = new ActorSelectionMessage(new Identify("x"), [new SelectChildName("user")]);
        var read = Assert.IsType<ActorSelectionMessage>(Serialization.WithTransport(Node, () => Node.Serialization.Deserialize(Node.Serialization.Serialize(selection), 6, "")));
        Assert.Equal("x", Assert.IsType<Identify>(read.Message).MessageId);
    }

    [Fact]
    public async Task Over_the_network_too_they_are_refused_and_the_node_answers_as_before()
    {
        var there = await Ask(_stranger, "before");
        using var heard = Inbox.Create(Node);
        Node.EventStream.Subscribe(heard.Receiver, typeof(Akka.Event.LogEvent));
        foreach (var (message, name) in ((object, string)[])[(new Status.Failure(new Bait("come")), "STF"), (PoisonPill.Instance, "PP"), (Kill.Instance, "K")])
        {
            there.Tell(message);
            Refused(heard, name);
            _stranger.ActorSelection(there.Path).Tell(message);
            Refused(heard, name);
        }

        foreach (var message in (ISystemMessage[])[new Recreate(new Bait("come")), new Terminate(), new Suspend()])
        {
            // Each closes the connection that it came over.
            var another = ActorSystem.Create("another", _stranger.Settings.Config);
            ((IInternalActorRef)await Ask(another, "before")).SendSystemMessage(message);
            Refused(heard, message.GetType().Name);
            await another.Terminate();
        }

        // It is the same actor, which never ended.
        var last = ActorSystem.Create("last", _stranger.Settings.Config);
        Assert.Equal(there, await Ask(last, "after"));
        await last.Terminate();
        Assert.Equal(0, Bait.Made);
    }

    private static void Refused(Inbox heard, string name) => heard.ReceiveWhere(
        log => log is Akka.Event.LogEvent entry && $"{entry.Message} {entry.Cause}".Contains("was refused", StringComparison.Ordinal) && $"{entry.Message} {entry.Cause}".Contains(name, StringComparison.Ordinal),
        TimeSpan.FromSeconds(60));

    private async Task<IActorRef> Ask(ActorSystem from, string question) =>
        (await from.ActorSelection($"akka.tcp://dtrain@{_node.Address}/user/log").Ask<ActorIdentity>(new Identify(question), TimeSpan.FromSeconds(60))).Subject;

    private static byte[] Field(int number, byte[] content)
    {
        using var stream = new MemoryStream();
        using (var coded = new CodedOutputStream(stream, leaveOpen: true))
        {
            coded.WriteTag(number, WireFormat.WireType.LengthDelimited);
            coded.WriteBytes(ByteString.CopyFrom(content));
        }

        return stream.ToArray();
    }

    /// <summary>Notes that it was made of what came over the wire.</summary>
    private sealed class Bait : Exception
    {
        public Bait(string message)
            : base(message)
        {
        }

#pragma warning disable SYSLIB0051 // Akka.NET makes exceptions in just this way.
        private Bait(SerializationInfo info, StreamingContext context)
            : base(info, context) => Interlocked.Increment(ref Made);
#pragma warning restore SYSLIB0051

        public static int Made;
    }
}
