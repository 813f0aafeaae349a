using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Serialization;

namespace DistributedTrainer.Protocol;

/// <summary>
/// One of Akka.NET's own serializers, of which only the messages are left that a cluster needs. What is left out can carry
/// exceptions, whose types are looked up by the names that come with them, or ends or makes actors. Manifests are compared
/// with a table: no type is looked up by what is said on the wire.
/// </summary>
public abstract class NarrowSerializer(ExtendedActorSystem system, Serializer inner) : SerializerWithStringManifest(system)
{
    // A selection holds a message, which may be a selection: by a few bytes each, a stranger could nest them beyond the stack.
    private const int MaximumDepth = 4;

    [ThreadStatic]
    private static int _depth;

    /// <summary>That of the serializer whose place it takes.</summary>
    public override int Identifier => inner.Identifier;

    /// <summary>The serializer whose place it takes.</summary>
    protected Serializer Inner => inner;

    /// <summary>The name of a message on the wire.</summary>
    /// <exception cref="SerializationException">Not one of those that are left.</exception>
    public sealed override string Manifest(object o) =>
        NameOf(o) ?? throw new SerializationException($"protocol: {o.GetType()} is no message of this cluster and may not leave this node.");

    /// <summary>Writes a message.</summary>
    /// <exception cref="SerializationException">Not one of those that are left.</exception>
    public sealed override byte[] ToBinary(object obj)
    {
        _ = Manifest(obj);
        return inner.ToBinary(obj);
    }

    /// <summary>Reads a message.</summary>
    /// <exception cref="SerializationException">Not one of those that are left, or a message within a message within a message, and so on.</exception>
    public sealed override object FromBinary(byte[] bytes, string? manifest)
    {
        // Where none was sent Akka.NET hands over null.
        manifest ??= "";
        if (!Knows(manifest)) throw new SerializationException($"protocol: a message '{manifest}' of Akka.NET's serializer {Identifier} was refused: nodes send none.");
        if (_depth == MaximumDepth) throw new SerializationException($"protocol: messages within messages, {MaximumDepth} deep, were refused.");
        _depth++;
        try { return Read(bytes, manifest); }
        finally { _depth--; }
    }

    /// <summary>What a message is called on the wire; null: it is not among those that are left.</summary>
    protected abstract string? NameOf(object message);

    /// <summary>Whether a message of that name is among those that are left.</summary>
    protected abstract bool Knows(string manifest);

    /// <summary>Reads a message whose name is known.</summary>
    protected abstract object Read(byte[] bytes, string manifest);
}
