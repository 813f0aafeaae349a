using System.Text.Json;
using System.Text.Json.Serialization;

namespace DistributedTrainer.Protocol;

/// <summary>Writes an identifier as the bare string or number that it holds: most messages carry several.</summary>
internal sealed class PlainIdentifier<TIdentifier, TValue>(Func<TIdentifier, TValue> valueOf, Func<TValue, TIdentifier> identify) : JsonConverter<TIdentifier>
    where TIdentifier : struct
    where TValue : notnull
{
    public override TIdentifier Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        JsonSerializer.Deserialize<TValue>(ref reader, options) is { } value
            ? identify(value)
            : throw new JsonException($"A {typeof(TIdentifier).Name} must not be null.");

    // A default identifier of text holds none: found here, not on the node that can't read it.
    public override void Write(Utf8JsonWriter writer, TIdentifier value, JsonSerializerOptions options) =>
        JsonSerializer.Serialize(writer, valueOf(value) ?? throw new JsonException($"A {typeof(TIdentifier).Name} without a value can't be sent."), options);
}
