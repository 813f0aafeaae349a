using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>A picture of how a step grows: what was measured, one picture a series, and what follows for many workers.</summary>
internal static class GrowthPlot
{
    private const int Width = 640;
    private const int Height = 420;
    private const int Columns = 2;

    /// <summary>Writes a PNG.</summary>
    public static void Save(IReadOnlyList<GrowthPoint> points, GrowthModel model, double parameters, IReadOnlyList<int> workers, string path)
    {
        var series = points.GroupBy(static point => point.Series).ToArray();
        var pictures = new Multiplot();
        pictures.AddPlots(series.Length + 1);
        var rows = (series.Length + Columns) / Columns;
        pictures.Layout = new ScottPlot.MultiplotLayouts.Grid(rows, Columns);
        for (var i = 0; i < series.Length; i++)
        {
            var measured = series[i].OrderBy(static point => point.Value).ToArray();
            var values = Array.ConvertAll(measured, static point => point.Value);
            Draw(pictures.GetPlot(i), $"measured: {series[i].Key}", series[i].Key, [
                ("step", values, Array.ConvertAll(measured, static point => point.Step)),
                ("computing", values, Array.ConvertAll(measured, static point => point.Computing)),
                ("waiting", values, Array.ConvertAll(measured, static point => point.Waiting)),
            ]);
        }

        var counts = workers.Select(static count => (double)count).ToArray();
        Draw(pictures.GetPlot(series.Length), "simulated: 10 Gbit/s a server", "workers", [
            ("1 server", counts, [.. workers.Select(count => model.Step(count, 1, parameters))]),
            ("1 server for 8 workers", counts, [.. workers.Select(count => model.Step(count, Math.Max(1, count / 8), parameters))]),
            ("a server for each worker", counts, [.. workers.Select(count => model.Step(count, count, parameters))]),
        ]);
        pictures.SavePng(path, Width * Columns, Height * rows);
    }

    private static void Draw(Plot plot, string title, string x, (string Name, double[] X, double[] Y)[] lines)
    {
        foreach (var (name, values, times) in lines)
        {
            // A time of nothing has no place on a logarithmic axis.
            var shown = values.Zip(times).Where(static pair => pair.Second > 0).ToArray();
            if (shown.Length > 0)
            {
                plot.Add.Scatter(shown.Select(static pair => Math.Log10(pair.First)).ToArray(), shown.Select(static pair => Math.Log10(pair.Second)).ToArray()).LegendText = name;
            }
        }

        plot.Axes.Bottom.TickGenerator = Labels(lines[0].X);
        var (low, high) = (lines.SelectMany(static line => line.Y).Where(static time => time > 0).Min(), lines.SelectMany(static line => line.Y).Max());
        plot.Axes.Left.TickGenerator = Labels([.. from power in Enumerable.Range((int)Math.Floor(Math.Log10(low)), (int)Math.Ceiling(Math.Log10(high / low)) + 2) from digit in (int[])[1, 3] select digit * Math.Pow(10, power)]);
        plot.Title(title);
        plot.XLabel(x);
        plot.YLabel("ms a step");
        plot.ShowLegend(Alignment.UpperLeft);
    }

    private static NumericManual Labels(IEnumerable<double> values) =>
        new([.. values.Distinct().Select(static value => new Tick(Math.Log10(value), value.ToString(value >= 1e5 ? "0.##E+0" : "0.###", CultureInfo.InvariantCulture)))]);
}
