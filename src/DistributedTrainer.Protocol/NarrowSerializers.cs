using System.Collections.Frozen;
using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Cluster.Serialization;
using Akka.Dispatch.SysMsg;
using Akka.Remote.Serialization;
using Akka.Serialization;

namespace DistributedTrainer.Protocol;

/// <summary>Of the messages of actor systems to each other those by which actors hear of each other's end, under names of one letter.</summary>
/// <param name="system">The node's.</param>
public sealed class NarrowSystemSerializer(ExtendedActorSystem system) : NarrowSerializer(system, new SystemMessageSerializer(system))
{
    private static readonly FrozenDictionary<string, Type> Types = new Dictionary<string, Type>
    {
        ["W"] = typeof(Watch),
        ["U"] = typeof(Unwatch),
        ["D"] = typeof(DeathWatchNotification),
    }.ToFrozenDictionary();

    /// <inheritdoc/>
    protected override string? NameOf(object message) => Types.FirstOrDefault(pair => pair.Value == message.GetType()).Key;

    /// <inheritdoc/>
    protected override bool Knows(string manifest) => Types.ContainsKey(manifest);

    /// <inheritdoc/>
    protected override object Read(byte[] bytes, string manifest) => Inner.FromBinary(bytes, Types[manifest]);
}

/// <summary>Of the messages to any actor the question whether it is there, its answer, and the heartbeats of nodes that watch each other.</summary>
/// <param name="system">The node's.</param>
public sealed class NarrowMiscSerializer(ExtendedActorSystem system) : NarrowSerializer(system, new MiscMessageSerializer(system))
{
    // Identify, ActorIdentity, and what RemoteWatcher sends, as Akka.NET calls them.
    private static readonly FrozenSet<string> Names = FrozenSet.Create("ID", "AID", "RWHB", "RWHR");

    /// <inheritdoc/>
    protected override string? NameOf(object message) => ((SerializerWithStringManifest)Inner).Manifest(message) is var name && Names.Contains(name) ? name : null;

    /// <inheritdoc/>
    protected override bool Knows(string manifest) => Names.Contains(manifest);

    /// <inheritdoc/>
    protected override object Read(byte[] bytes, string manifest) => ((SerializerWithStringManifest)Inner).FromBinary(bytes, manifest);
}

/// <summary>Messages to actors by their path. What is within is read as any message is.</summary>
/// <param name="system">The node's.</param>
public sealed class NarrowSelectionSerializer(ExtendedActorSystem system) : NarrowSerializer(system, new MessageContainerSerializer(system))
{
    /// <inheritdoc/>
    protected override string? NameOf(object message) => message is ActorSelectionMessage ? "" : null;

    /// <inheritdoc/>
    protected override bool Knows(string manifest) => manifest.Length == 0;

    /// <inheritdoc/>
    protected override object Read(byte[] bytes, string manifest) => Inner.FromBinary(bytes, typeof(ActorSelectionMessage));
}

/// <summary>The messages of cluster membership, without routers that are to be made here.</summary>
/// <param name="system">The node's.</param>
public sealed class NarrowClusterSerializer(ExtendedActorSystem system) : NarrowSerializer(system, new ClusterMessageSerializer(system))
{
    private const string Router = "Akka.Cluster.Routing.ClusterRouterPool, Akka.Cluster";

    /// <inheritdoc/>
    protected override string? NameOf(object message) => ((SerializerWithStringManifest)Inner).Manifest(message) is var name && name != Router ? name : null;

    /// <inheritdoc/>
    protected override bool Knows(string manifest) => manifest != Router;

    /// <inheritdoc/>
    protected override object Read(byte[] bytes, string manifest)
    {
        // It compares names with a table of its own.
        try { return ((SerializerWithStringManifest)Inner).FromBinary(bytes, manifest); }
        catch (ArgumentException unknown) { throw new SerializationException($"protocol: {unknown.Message}", unknown); }
    }
}

/// <summary>Nothing, as a message within another has it. Akka.NET's own looks up a type where one is named.</summary>
/// <param name="system">The node's.</param>
public sealed class NothingSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    /// <inheritdoc/>
    public override int Identifier => 0;

    /// <summary>Nothing has no name.</summary>
    public override string Manifest(object o) => "";

    /// <summary>Nothing is nothing.</summary>
    public override byte[] ToBinary(object obj) => [];

    /// <inheritdoc/>
    /// <exception cref="SerializationException">Something is named.</exception>
    public override object FromBinary(byte[] bytes, string? manifest) =>
        string.IsNullOrEmpty(manifest) ? null! : throw new SerializationException($"protocol: nothing, and yet of a type '{manifest}', was refused.");
}
