using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Serialization;

namespace DistributedTrainer.Protocol;

/// <summary>
/// Stands where serializers of Akka.NET were that would look up type names from the wire. With names of its own, so that
/// none is looked up before it is asked.
/// </summary>
public sealed class RefusingSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    /// <summary>Akka hands its JSON serializer settings; there is nothing to set here.</summary>
    public RefusingSerializer(ExtendedActorSystem system, Akka.Configuration.Config settings)
        : this(system) => _ = settings;

    /// <inheritdoc/>
    public override int Identifier => 1;

    /// <summary>Refuses.</summary>
    /// <exception cref="SerializationException">Always.</exception>
    public override string Manifest(object o) => throw Refusal(o);

    /// <summary>Refuses.</summary>
    /// <exception cref="SerializationException">Always.</exception>
    public override byte[] ToBinary(object obj) => throw Refusal(obj);

    /// <summary>Refuses.</summary>
    /// <exception cref="SerializationException">Always.</exception>
    public override object FromBinary(byte[] bytes, string manifest) =>
        throw new SerializationException("protocol: a message in Akka's default JSON form was refused.");

    private static SerializationException Refusal(object message) => new($"protocol: {message.GetType()} is no protocol message and may not leave this node.");
}
