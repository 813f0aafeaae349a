using System.Text.Json;

namespace DistributedTrainer.Cli.Views;

/// <summary>The lines of a run's metrics.jsonl, for pictures.</summary>
internal static class MetricLines
{
    /// <summary>All that is whole; nothing where there is no such file.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static JsonElement[] Read(string runDirectory)
    {
        var file = Path.Combine(runDirectory, "metrics.jsonl");
        return File.Exists(file) ? [.. File.ReadLines(file).Select(Parse).OfType<JsonElement>()] : [];
    }

    /// <summary>Null: there is none, or none that can be drawn.</summary>
    public static double? Number(JsonElement line, string key) =>
        line.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.Number && double.IsFinite(value.GetDouble()) ? value.GetDouble() : null;

    /// <summary>Null: a line of which only a part was written.</summary>
    private static JsonElement? Parse(string line)
    {
        try
        {
            return JsonDocument.Parse(line).RootElement;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
