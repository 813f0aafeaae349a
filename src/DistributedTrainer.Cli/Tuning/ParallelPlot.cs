using System.Globalization;
using DistributedTrainer.Experiments;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>
/// Parallel coordinates (Inselberg, 1985): an axis for each range and one for the metric, and a line through all of them for each
/// trial. So it shows which values go with each other in good trials.
/// </summary>
internal static class ParallelPlot
{
    private const int AxisWidth = 260;
    private const int Height = 560;

    // A few trials that diverge must not press the others together.
    private const double LogarithmicFrom = 20;

    /// <summary>Draws it. False: there are no ranges, or fewer than two trials with a finite metric, and nothing is drawn.</summary>
    public static bool Save(TrialList list, IReadOnlyList<TrialResult> sorted, string path)
    {
        var metric = list.Tune.Metric;
        var results = sorted.Where(result => result.IsFinite(metric)).ToArray();
        if (list.Tune.Ranges.Count == 0 || results.Length < 2)
        {
            return false;
        }

        CoordinateAxis[] axes = [.. list.Tune.Ranges.Select(AxisOf), AxisOf(metric, [.. results.Select(result => MetricOf(result, metric))])];
        using var plot = new Plot();
        for (var place = 0; place < axes.Length; place++)
        {
            Draw(plot, axes[place], place);
        }

        // The best last, so that nothing lies over it.
        var colours = new ScottPlot.Colormaps.Viridis();
        foreach (var (place, result) in results.Index().Reverse())
        {
            var line = plot.Add.ScatterLine(
                Enumerable.Range(0, axes.Length).Select(static axis => (double)axis).ToArray(), axes.Select((axis, at) => axis.At(at < axes.Length - 1 ? result.Trial.Settings[at].Value : Text(MetricOf(result, metric)))).ToArray());
            (line.LineWidth, line.Color) = (place == 0 ? 4 : 1.5f, colours.GetColor(0.9 * place / results.Length).WithAlpha(result.IsStopped ? 0.45 : 1));
            if (result.IsStopped)
            {
                line.LinePattern = LinePattern.Dotted;
            }

            if (place == 0)
            {
                line.LegendText = string.Create(CultureInfo.InvariantCulture, $"best: trial {result.Trial.Number}");
            }
        }

        plot.Axes.Bottom.TickGenerator = new NumericManual([.. axes.Select(static (axis, place) => new Tick(place, axis.Name))]);
        plot.Axes.Left.TickGenerator = new NumericManual([]);
        plot.Axes.SetLimits(-0.4, axes.Length - 0.6, -0.12, 1.12);
        plot.HideGrid();
        plot.Title(results.Any(static result => result.IsStopped) ? "Trials; dotted: stopped early" : "Trials");
        plot.ShowLegend(Edge.Bottom);
        plot.SavePng(path, AxisWidth * (axes.Length + 1), Height);
        return true;
    }

    /// <summary>The axis of a range.</summary>
    internal static CoordinateAxis AxisOf(TuneRange range) => range switch
    {
        NumberRange numbers => Numbers(numbers.Key, numbers.From, numbers.To, numbers.Scale == RangeScale.Log),
        ChoiceRange choices => new CoordinateAxis(
            choices.Key, [.. choices.Values.Select((value, at) => (Share(at, choices.Values.Count), Plots.Short(value)))], value => Share(choices.Values.ToList().IndexOf(value), choices.Values.Count)),
        _ => throw new ArgumentException($"plot: a range of type {range.GetType().Name} has no axis."),
    };

    /// <summary>The axis of the metric, from its smallest value to its largest.</summary>
    internal static CoordinateAxis AxisOf(EarlyStoppingMetric metric, IReadOnlyList<double> values)
    {
        var (low, high) = (values.Min(), values.Max());
        return Numbers(ExperimentNames.Of(metric), low, high, low > 0 && high / low >= LogarithmicFrom);
    }

    private static CoordinateAxis Numbers(string name, double low, double high, bool logarithmic)
    {
        double Place(double value) => logarithmic ? Math.Log(value / low) / Math.Log(high / low) : (value - low) / (high - low);
        return low == high
            ? new CoordinateAxis(name, [(0.5, low.ToString("G3", CultureInfo.InvariantCulture))], static _ => 0.5)
            : new CoordinateAxis(
                name, [(0, low.ToString("G3", CultureInfo.InvariantCulture)), (1, high.ToString("G3", CultureInfo.InvariantCulture))], value => Place(double.Parse(value, CultureInfo.InvariantCulture)));
    }

    private static void Draw(Plot plot, CoordinateAxis axis, int place)
    {
        var line = plot.Add.Line(place, 0, place, 1);
        (line.LineWidth, line.Color) = (1, Colors.Gray);
        foreach (var (at, label) in axis.Labels)
        {
            var text = plot.Add.Text(label, place, at);
            (text.LabelFontSize, text.LabelAlignment, text.OffsetX) = (12, Alignment.MiddleLeft, 6);
        }
    }

    private static double Share(int at, int count) => count == 1 ? 0.5 : (double)at / (count - 1);

    private static double MetricOf(TrialResult result, EarlyStoppingMetric metric) => result.Mean(run => run.Of(metric))!.Value;

    private static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
