using System.Text.Json;
using ScottPlot;

namespace DistributedTrainer.Cli.Views;

/// <summary>Several runs in one picture: a metric over the steps, and over the time that they took.</summary>
internal static class ComparisonPlot
{
    private const int Width = 640;
    private const int Height = 460;

    /// <summary>The first of these that a run has is drawn where nothing is asked for.</summary>
    private static readonly string[] Usual = ["validationAccuracy", "validationLoss", "loss"];

    /// <summary>Writes a PNG, and returns the metric that it shows.</summary>
    /// <param name="runs">Name and folder of each run.</param>
    /// <param name="metric">Its name in metrics.jsonl; null: validationAccuracy, or what there is.</param>
    /// <param name="path">Where to.</param>
    /// <exception cref="IOException">Metrics cannot be read or the picture not be written.</exception>
    /// <exception cref="InvalidDataException">A run does not have the metric.</exception>
    public static string Save(IReadOnlyList<(string Name, string Folder)> runs, string? metric, string path)
    {
        var courses = runs.Select(static run => (run.Name, run.Folder, Lines: MetricLines.Read(run.Folder))).ToArray();
        var shown = metric ?? Usual.FirstOrDefault(one => Array.TrueForAll(courses, course => Array.Exists(course.Lines, line => MetricLines.Number(line, one) is not null))) ?? Usual[^1];
        var pictures = new Multiplot();
        pictures.AddPlots(2);
        pictures.Layout = new ScottPlot.MultiplotLayouts.Grid(1, 2);
        foreach (var (name, folder, lines) in courses)
        {
            var points = Points(lines, shown);
            if (lines.Length == 0)
            {
                throw new InvalidDataException($"{folder} has no metrics.jsonl, or an empty one: is it the folder of a run?");
            }

            if (points.Length == 0)
            {
                throw new InvalidDataException($"{folder} has no '{shown}' in its metrics.jsonl. It has: {string.Join(", ", lines.SelectMany(Numbers).Distinct().Order(StringComparer.Ordinal))}.");
            }

            var values = Array.ConvertAll(points, static point => point.Value);
            RunPlots.Draw(pictures.GetPlot(0), name, Array.ConvertAll(points, static point => point.Step), values);
            RunPlots.Draw(pictures.GetPlot(1), name, Array.ConvertAll(points, static point => point.Seconds), values);
        }

        foreach (var (picture, x) in new[] { (pictures.GetPlot(0), "step"), (pictures.GetPlot(1), "seconds") })
        {
            picture.XLabel(x);
            picture.YLabel(shown);
            picture.ShowLegend(Alignment.LowerRight);
        }

        pictures.SavePng(path, 2 * Width, Height);
        return shown;
    }

    /// <summary>Where a metric was when. An evaluation has no time of its own: it is that of the step before it.</summary>
    public static (double Step, double Seconds, double Value)[] Points(IEnumerable<JsonElement> lines, string metric)
    {
        var points = new List<(double, double, double)>();
        var seconds = 0.0;
        foreach (var line in lines)
        {
            seconds = MetricLines.Number(line, "seconds") ?? seconds;
            if (MetricLines.Number(line, "step") is { } step && MetricLines.Number(line, metric) is { } value)
            {
                points.Add((step, seconds, value));
            }
        }

        return [.. points];
    }

    private static IEnumerable<string> Numbers(JsonElement line) =>
        line.EnumerateObject().Where(static one => one.Value.ValueKind == JsonValueKind.Number && one.Name is not ("step" or "epoch" or "seconds")).Select(static one => one.Name);
}
