using System.Text.Json;
using ScottPlot;

namespace DistributedTrainer.Cli.Views;

/// <summary>Pictures of a run's curves, as PNG.</summary>
internal static class RunPlots
{
    private const int Width = 900;
    private const int Height = 560;

    /// <summary>Draws what metrics.jsonl holds into the run's folder.</summary>
    /// <returns>The paths of the pictures.</returns>
    /// <exception cref="IOException">The metrics cannot be read, or a picture cannot be written.</exception>
    public static IReadOnlyList<string> Save(string runDirectory)
    {
        var lines = MetricLines.Read(runDirectory);
        return
        [
            .. Save(runDirectory, "loss", lines, [("loss", "training"), ("validationLoss", "validation"), ("testLoss", "test")]),
            .. Save(runDirectory, "accuracy", lines, [("validationAccuracy", "validation"), ("testAccuracy", "test")]),
            .. Save(runDirectory, "rows-per-second", lines, [("rowsPerSecond", "rows per second")]),
        ];
    }

    private static IEnumerable<string> Save(string directory, string name, JsonElement[] lines, (string Key, string Label)[] curves)
    {
        using var plot = new Plot();
        var any = false;
        foreach (var (key, label) in curves)
        {
            var points = lines.Select(line => (X: MetricLines.Number(line, "step"), Y: MetricLines.Number(line, key))).Where(static point => point.X is not null && point.Y is not null).ToArray();
            if (points.Length > 0)
            {
                Draw(plot, label, Array.ConvertAll(points, static point => point.X!.Value), Array.ConvertAll(points, static point => point.Y!.Value));
                any = true;
            }
        }

        if (any)
        {
            var path = Path.Combine(directory, name + ".png");
            plot.Title(name.Replace('-', ' '));
            plot.XLabel("step");
            plot.ShowLegend();
            plot.SavePng(path, Width, Height);
            yield return path;
        }
    }

    /// <summary>One curve; its points are marked where there are few.</summary>
    public static void Draw(Plot plot, string name, double[] x, double[] y)
    {
        var curve = plot.Add.Scatter(x, y);
        (curve.LegendText, curve.LineWidth, curve.MarkerSize) = (name, 2, x.Length > 60 ? 0 : 5);
    }
}
