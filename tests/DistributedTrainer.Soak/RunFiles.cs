using System.Text.Json;

namespace DistributedTrainer.Soak;

/// <summary>What a run leaves in its folder.</summary>
internal sealed class RunFiles(string folder)
{
    private static readonly string[] OfTime = ["rowsPerSecond", "seconds"];

    public string Folder => folder;

    public string Metrics => Path.Combine(folder, "metrics.jsonl");

    public JsonElement Result => JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "result.json"))).RootElement;

    public string Hash => Result.GetProperty("parametersSha256").GetString()!;

    public double Accuracy => Result.GetProperty("metrics").GetProperty("testAccuracy").GetDouble();

    /// <summary>Failures that the run got over: whose, and the seconds until the next step.</summary>
    public IReadOnlyList<(string Cause, double Seconds)> Recoveries =>
        [.. Result.GetProperty("recoveries").EnumerateArray().Select(static one => (one.GetProperty("cause").GetString()!, one.GetProperty("seconds").GetDouble()))];

    /// <summary>The first line in which two runs differ other than in time; null: they say the same.</summary>
    public static string? Difference(RunFiles expected, RunFiles actual)
    {
        using var lines = File.ReadLines(actual.Metrics).GetEnumerator();
        var number = 0;
        foreach (var line in File.ReadLines(expected.Metrics))
        {
            number++;
            if (!lines.MoveNext())
            {
                return $"metrics.jsonl ends before line {number}: {line}";
            }

            if (Timeless(line) is var wanted && Timeless(lines.Current) is var found && wanted != found)
            {
                return $"metrics.jsonl, line {number}: expected {wanted}, found {found}";
            }
        }

        return lines.MoveNext() ? $"metrics.jsonl has more than {number} lines: {lines.Current}" : null;
    }

    private static string Timeless(string line) => string.Join(
        ' ', JsonDocument.Parse(line).RootElement.EnumerateObject().Where(static member => !OfTime.Contains(member.Name)).Select(static member => $"{member.Name}={member.Value}"));
}
