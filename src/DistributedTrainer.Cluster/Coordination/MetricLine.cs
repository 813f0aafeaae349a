using System.Text.Json;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>A line of metrics.jsonl.</summary>
/// <param name="Step">The step, from 1; in an evaluation the version.</param>
/// <param name="Loss">The mean loss of a step; null: the line is of an evaluation.</param>
/// <param name="Text">The line.</param>
internal sealed record MetricLine(long Step, double? Loss, string Text)
{
    /// <summary>The lines up to a step. A last line that was cut off is left out, and what does not follow on.</summary>
    /// <param name="texts">The file.</param>
    /// <param name="until">Steps up to this one stay, and evaluations of versions before it; null: all.</param>
    /// <param name="evaluated">Whether the evaluation of that version stays too.</param>
    public static List<MetricLine> Read(IEnumerable<string> texts, long? until, bool evaluated = false)
    {
        var (lines, next) = (new List<MetricLine>(), 1L);
        foreach (var text in texts)
        {
            if (Parse(text) is not { } line)
            {
                break;
            }

            if (line.Loss is not null)
            {
                if (line.Step != next || line.Step > until)
                {
                    break;
                }

                next++;
                lines.Add(line);
            }
            else if (line.Step < (until ?? long.MaxValue) || (evaluated && line.Step == until))
            {
                lines.Add(line);
            }
        }

        return lines;
    }

    private static MetricLine? Parse(string text)
    {
        try
        {
            var line = JsonDocument.Parse(text).RootElement;
            var loss = line.TryGetProperty("loss", out var value) ? (value.ValueKind == JsonValueKind.String ? double.Parse(value.GetString()!, System.Globalization.CultureInfo.InvariantCulture) : value.GetDouble()) : (double?)null;
            return new MetricLine(line.GetProperty("step").GetInt64(), loss, text);
        }
        catch (Exception damaged) when (damaged is JsonException or KeyNotFoundException or FormatException or InvalidOperationException)
        {
            return null;
        }
    }
}
