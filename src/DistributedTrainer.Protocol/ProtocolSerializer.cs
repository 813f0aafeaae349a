using System.Collections.Frozen;
using System.Runtime.Serialization;
using System.Text.Json;
using Akka.Actor;
using Akka.Serialization;

namespace DistributedTrainer.Protocol;

/// <summary>
/// Writes protocol messages as JSON under short versioned manifests. A manifest that is not in the table is refused,
/// so no type name from the wire is ever resolved.
/// </summary>
public sealed class ProtocolSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private static readonly FrozenDictionary<string, Type> Types = typeof(IProtocolMessage).Assembly.GetTypes()
        .Where(type => type is { IsClass: true } && type.IsAssignableTo(typeof(IProtocolMessage)))
        .ToFrozenDictionary(ManifestOf, type => type);

    /// <inheritdoc/>
    public override int Identifier => 7301;

    /// <inheritdoc/>
    public override string Manifest(object o) => ManifestOf(o.GetType());

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj) => JsonSerializer.SerializeToUtf8Bytes(obj, obj.GetType(), Json);

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, string manifest) =>
        Types.TryGetValue(manifest, out var type)
            ? JsonSerializer.Deserialize(bytes, type, Json) ?? throw new SerializationException($"protocol: a message '{manifest}' was empty.")
            : throw new SerializationException($"protocol: no message is called '{manifest}'. Do all nodes run the same version of dtrain?");

    // The 1 is the version of the message's form: it changes when the form does.
    private static string ManifestOf(Type type) => $"{type.DeclaringType?.Name}.{type.Name}.1";
}

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

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj) =>
        throw new SerializationException($"protocol: {obj.GetType()} is no protocol message and may not leave this node.");

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, Type type) =>
        throw new SerializationException("protocol: a message in Akka's default JSON form was refused.");
}
