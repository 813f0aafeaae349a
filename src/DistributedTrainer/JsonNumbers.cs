using System.Globalization;
using System.Text.Json;

namespace DistributedTrainer;

/// <summary>Numbers in the files of a run, among which NaN and infinity are texts.</summary>
internal static class JsonNumbers
{
    /// <summary>A number; null: it is not there, or null.</summary>
    public static double? Find(JsonElement from, string name) => !from.TryGetProperty(name, out var value) ? null : value.ValueKind switch
    {
        JsonValueKind.Number => value.GetDouble(),
        JsonValueKind.String => double.Parse(value.GetString()!, CultureInfo.InvariantCulture),
        _ => null,
    };
}
