using System.Collections.Frozen;
using System.Runtime.Serialization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Akka.Actor;
using Akka.Serialization;

namespace DistributedTrainer.Protocol;

/// <summary>
/// Writes protocol messages as JSON under short versioned manifests. A manifest that is not in the table is refused,
/// so no type name from the wire is ever resolved.
/// </summary>
public sealed class ProtocolSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    // Strict: a member that is missing, unknown, repeated or null where it may not be is an error, never a default.
    private static readonly JsonSerializerOptions Json = new(JsonSerializerOptions.Strict)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        // The text never meets a web page: no need to escape quotes and signs six bytes wide.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters =
        {
            new PlainIdentifier<RunId, string>(id => id.Value, value => new RunId(value)),
            new PlainIdentifier<NodeId, string>(id => id.Value, value => new NodeId(value)),
            new PlainIdentifier<WorkerId, string>(id => id.Value, value => new WorkerId(value)),
            new PlainIdentifier<Generation, long>(id => id.Value, value => new Generation(value)),
            new PlainIdentifier<StepId, long>(id => id.Value, value => new StepId(value)),
            new PlainIdentifier<PartitionId, int>(id => id.Value, value => new PartitionId(value)),
        },
    };

    // Of the form of all messages: nodes of another version are refused by it.
    private const int Version = 6;

    private static readonly FrozenDictionary<string, Type> Types = typeof(IProtocolMessage).Assembly.GetTypes()
        .Where(type => type is { IsClass: true } && type.IsAssignableTo(typeof(IProtocolMessage)))
        .ToFrozenDictionary(ManifestOf, type => type);

    /// <inheritdoc/>
    public override int Identifier => 7301;

    /// <summary>The name of the message and the version of its form, as in "Nodes.Register.6".</summary>
    /// <exception cref="SerializationException">Not a protocol message.</exception>
    public override string Manifest(object o) =>
        o is IProtocolMessage ? ManifestOf(o.GetType()) : throw new SerializationException($"protocol: {o.GetType()} is no protocol message.");

    /// <inheritdoc/>
    /// <exception cref="SerializationException">Not a protocol message, or a member of it has no value.</exception>
    public override byte[] ToBinary(object obj)
    {
        var manifest = Manifest(obj);
        try { return JsonSerializer.SerializeToUtf8Bytes(obj, obj.GetType(), Json); }
        catch (JsonException e) { throw new SerializationException($"protocol: a message '{manifest}' can't be written: {e.Message}", e); }
    }

    /// <inheritdoc/>
    /// <exception cref="SerializationException">An unknown manifest, or bytes that are not this message.</exception>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        if (!Types.TryGetValue(manifest, out var type))
            throw new SerializationException($"protocol: no message is called '{manifest}'. Do all nodes run the same version of dtrain?");
        try
        {
            return JsonSerializer.Deserialize(bytes, type, Json) ?? throw new SerializationException($"protocol: a message '{manifest}' was empty.");
        }
        catch (JsonException e)
        {
            throw new SerializationException($"protocol: a message '{manifest}' can't be read: {e.Message} Do all nodes run the same version of dtrain?", e);
        }
    }

    // The 1 is the version of the message's form: it changes when the form does.
    private static string ManifestOf(Type type) => $"{type.DeclaringType?.Name}.{type.Name}.{Version}";
}
