using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Serialization;

namespace DistributedTrainer.Protocol;

/// <summary>Stands where Akka's default JSON serializer was: that one would resolve type names from the wire.</summary>
public sealed class RefusingSerializer(ExtendedActorSystem system) : Serializer(system)
{
    /// <summary>Akka hands its JSON serializer settings; there is nothing to set here.</summary>
    public RefusingSerializer(ExtendedActorSystem system, Akka.Configuration.Config settings)
        : this(system) => _ = settings;

    /// <inheritdoc/>
    public override int Identifier => 1;

    /// <inheritdoc/>
    public override bool IncludeManifest => false;

    /// <summary>Refuses.</summary>
    /// <exception cref="SerializationException">Always.</exception>
    public override byte[] ToBinary(object obj) =>
        throw new SerializationException($"protocol: {obj.GetType()} is no protocol message and may not leave this node.");

    /// <summary>Refuses.</summary>
    /// <exception cref="SerializationException">Always.</exception>
    public override object FromBinary(byte[] bytes, Type type) =>
        throw new SerializationException("protocol: a message in Akka's default JSON form was refused.");
}
