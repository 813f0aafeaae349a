using System.Globalization;
using DistributedTrainer.Experiments;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>Pictures of results, as PNG.</summary>
internal static class Plots
{
    private const int Width = 900;
    private const int Height = 560;

    /// <summary>The loss against the learning rate, on a logarithmic axis.</summary>
    public static void Save(RangeTest test, string path)
    {
        using var plot = new Plot();
        var rates = test.Points.Select(static point => Math.Log10(point.LearningRate)).ToArray();
        var losses = plot.Add.Scatter(rates, test.Points.Select(static point => point.Loss).ToArray());
        (losses.LineWidth, losses.MarkerSize, losses.LegendText) = (0, 4, "loss of a batch");
        var smoothed = plot.Add.ScatterLine(rates, test.Smoothed.ToArray());
        (smoothed.LineWidth, smoothed.LegendText) = (2, "smoothed");
        if (test.Suggestion is { } rate)
        {
            var line = plot.Add.VerticalLine(Math.Log10(rate));
            (line.LinePattern, line.LegendText) = (LinePattern.Dashed, string.Create(CultureInfo.InvariantCulture, $"steepest fall: {rate:G3}"));
        }

        // What explodes at the end would press all else to the ground.
        var (low, high) = (test.Smoothed.Min(), test.Smoothed.Take(Math.Max(1, test.Smoothed.Count / 4)).Max());
        plot.Axes.SetLimitsY(low - (0.1 * (high - low)), high + Math.Max(0.5 * (high - low), 1e-3));
        Logarithmic(plot, test.Points[0].LearningRate, test.Points[^1].LearningRate);
        plot.Title("Learning-rate range test");
        plot.XLabel("learning rate");
        plot.YLabel("loss");
        plot.ShowLegend(Alignment.LowerLeft);
        plot.SavePng(path, Width, Height);
    }

    /// <summary>The metric against the values of each range, one picture beside the other.</summary>
    public static void Save(TrialList list, IReadOnlyList<TrialResult> sorted, string path)
    {
        var metric = list.Tune.Metric;
        var results = sorted.Where(result => result.IsFinite(metric)).ToArray();
        if (results.Length == 0)
        {
            return;
        }

        var pictures = new Multiplot();
        var count = Math.Max(1, list.Tune.Ranges.Count);
        pictures.AddPlots(count);
        var columns = (int)Math.Ceiling(Math.Sqrt(count));
        pictures.Layout = new ScottPlot.MultiplotLayouts.Grid((count + columns - 1) / columns, columns);
        for (var place = 0; place < count; place++)
        {
            Draw(pictures.GetPlot(place), list.Tune.Ranges.Count == 0 ? null : list.Tune.Ranges[place], place, results, metric);
        }

        var shrunk = columns > 1 ? 0.75 : 1;
        pictures.SavePng(path, (int)(Width * columns * shrunk), (int)(Height * ((count + columns - 1) / columns) * shrunk));
    }

    private static void Draw(Plot plot, TuneRange? range, int place, TrialResult[] results, EarlyStoppingMetric metric)
    {
        double Y(TrialResult result) => result.Mean(run => run.Of(metric))!.Value;
        double X(TrialResult result) => range switch
        {
            NumberRange { Scale: RangeScale.Log } => Math.Log10(Number(result)),
            NumberRange => Number(result),
            ChoiceRange choices => choices.Values.ToList().IndexOf(result.Trial.Settings[place].Value),
            _ => result.Trial.Number,
        };
        double Number(TrialResult result) => double.Parse(result.Trial.Settings[place].Value, CultureInfo.InvariantCulture);

        if (range is null && results is [{ Runs.Count: > 1 } only])
        {
            var bars = plot.Add.Bars(only.Runs.Select(static run => (double)run.Fold!.Value).ToArray(), only.Runs.Select(run => run.Of(metric)!.Value).ToArray());
            bars.LegendText = "held-out fold";
            plot.Axes.Margins(bottom: 0);
        }
        else
        {
            if (metric == EarlyStoppingMetric.ValidationLoss && range is NumberRange)
            {
                // Beside the validation loss the training loss: what lies between them is over-fitting.
                var trained = results.Where(static result => result.Mean(static run => run.TrainLoss) is { } loss && double.IsFinite(loss)).OrderBy(X).ToArray();
                var training = plot.Add.Markers(trained.Select(X).ToArray(), trained.Select(static result => result.Mean(static run => run.TrainLoss)!.Value).ToArray());
                (training.MarkerSize, training.MarkerShape, training.LegendText) = (6, MarkerShape.OpenCircle, "training loss");
            }

            var (ended, stopped) = (results.Where(static result => !result.IsStopped).ToArray(), results.Where(static result => result.IsStopped).ToArray());
            var trials = plot.Add.Markers(ended.Select(X).ToArray(), ended.Select(Y).ToArray());
            (trials.MarkerSize, trials.LegendText) = (8, "trial");
            if (stopped.Length > 0)
            {
                // What they would have come to is not known.
                var early = plot.Add.Markers(stopped.Select(X).ToArray(), stopped.Select(Y).ToArray());
                (early.MarkerSize, early.MarkerShape, early.Color, early.LegendText) = (8, MarkerShape.OpenDiamond, Colors.Gray, "trial that was stopped");
            }

            var best = plot.Add.Marker(X(results[0]), Y(results[0]), MarkerShape.FilledDiamond, 13);
            best.LegendText = string.Create(CultureInfo.InvariantCulture, $"best: trial {results[0].Trial.Number}");
            foreach (var result in results.Where(result => result.Deviation(run => run.Of(metric)) is not null))
            {
                var deviation = result.Deviation(run => run.Of(metric))!.Value;
                var bar = plot.Add.Line(X(result), Y(result) - deviation, X(result), Y(result) + deviation);
                bar.Color = trials.Color;
            }
        }

        if (range is NumberRange { Scale: RangeScale.Log } numbers)
        {
            Logarithmic(plot, numbers.From, numbers.To);
        }
        else if (range is ChoiceRange choice)
        {
            plot.Axes.Bottom.TickGenerator = new NumericManual([.. choice.Values.Select(static (value, at) => new Tick(at, Short(value)))]);
            plot.Axes.SetLimitsX(-0.5, choice.Values.Count - 0.5);
        }

        else if (range is null)
        {
            plot.Axes.Bottom.TickGenerator = new NumericAutomatic { IntegerTicksOnly = true };
        }

        plot.XLabel(range?.Key ?? (results is [{ Runs.Count: > 1 }] ? "fold" : "trial"));
        plot.YLabel(ExperimentNames.Of(metric).Replace('-', ' '));
        plot.ShowLegend(Edge.Bottom);
    }

    /// <summary>A value of a range as a label.</summary>
    internal static string Short(string value) => value.Length <= 20 ? value : value[..19] + "…";

    /// <summary>The values of the x axis are logarithms to the base 10; its labels are the numbers themselves.</summary>
    private static void Logarithmic(Plot plot, double low, double high)
    {
        var (first, last) = ((int)Math.Floor(Math.Log10(low)), (int)Math.Ceiling(Math.Log10(high)));
        double[] labelled = last - first <= 3 ? [1, 2, 5] : [1];
        plot.Axes.Bottom.TickGenerator = new NumericManual([
            .. from power in Enumerable.Range(first, last - first + 1)
               from digit in Enumerable.Range(1, 9)
               let value = digit * Math.Pow(10, power)
               where value >= low * 0.999 && value <= high * 1.001
               let label = labelled.Contains(digit) ? value.ToString("G3", CultureInfo.InvariantCulture) : ""
               select new Tick(Math.Log10(value), label, isMajor: label.Length > 0),
        ]);
        var margin = 0.03 * Math.Log10(high / low);
        plot.Axes.SetLimitsX(Math.Log10(low) - margin, Math.Log10(high) + margin);
    }
}
