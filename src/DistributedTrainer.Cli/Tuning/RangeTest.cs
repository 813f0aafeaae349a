using System.Globalization;
using System.Text.Json;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>One step of a range test.</summary>
/// <param name="Step">From 1.</param>
/// <param name="LearningRate">Its rate.</param>
/// <param name="Loss">Mean loss of its batch, before the update.</param>
internal sealed record RangePoint(long Step, double LearningRate, double Loss);

/// <summary>What the learning-rate range test shows (Smith, "Cyclical learning rates", 2017).</summary>
/// <param name="Points">The steps in order, until the loss was no longer finite.</param>
/// <param name="Smoothed">Their losses, smoothed.</param>
/// <param name="Suggestion">The rate at which the smoothed loss falls most steeply; null: it never falls.</param>
internal sealed record RangeTest(IReadOnlyList<RangePoint> Points, IReadOnlyList<double> Smoothed, double? Suggestion)
{
    /// <summary>Fewer steps show nothing.</summary>
    public const int FewestPoints = 10;

    /// <summary>The experiment whose run is the test.</summary>
    public static Experiment Of(Experiment experiment, double from, double to, int steps) => experiment with
    {
        Tune = null,
        Data = experiment.Data with { Fold = experiment.Data.Folds is null ? null : experiment.Data.Fold ?? 1 },
        Optimizer = experiment.Optimizer with { Schedule = new RangeTestScheduleOptions(from, to, steps) },

        // Each rate's loss is wanted, not the mean over several rates.
        Training = experiment.Training with { Epochs = null, Steps = steps, LocalSteps = 1, EarlyStopping = null },
        Cluster = experiment.Cluster with { Servers = 1 },
    };

    /// <summary>The points of a run, from the lines of its metrics.jsonl.</summary>
    public static IReadOnlyList<RangePoint> Read(IEnumerable<string> lines)
    {
        var points = new List<RangePoint>();
        foreach (var line in lines)
        {
            using var document = JsonDocument.Parse(line);
            if (JsonText.Number(document.RootElement, "loss") is { } loss && JsonText.Number(document.RootElement, "learningRate") is { } rate)
            {
                points.Add(new RangePoint(document.RootElement.GetProperty("step").GetInt64(), rate, loss));
            }
        }

        return points;
    }

    /// <summary>Smooths the losses and finds the steepest fall before their lowest point.</summary>
    public static RangeTest Judge(IReadOnlyList<RangePoint> points)
    {
        var smoothed = Smooth([.. points.Select(static point => point.Loss)], Math.Max(2, points.Count / 20));
        var lowest = smoothed.Length == 0 ? 0 : Array.IndexOf(smoothed, smoothed.Min());
        var (steepest, fall) = (-1, 0.0);
        for (var i = 1; i < lowest; i++)
        {
            // Rates grow by the same factor each step, so a step is the same way everywhere on the logarithmic axis.
            var slope = (smoothed[i + 1] - smoothed[i - 1]) / 2;
            if (slope < fall)
            {
                (steepest, fall) = (i, slope);
            }
        }

        return new RangeTest(points, smoothed, steepest < 0 ? null : points[steepest].LearningRate);
    }

    /// <summary>The table: about twenty of the points.</summary>
    public List<string[]> Rows()
    {
        var every = Math.Max(1, Points.Count / 20);
        return [.. Points.Index().Where(point => point.Index % every == 0 || point.Index == Points.Count - 1).Select(point => (string[])
        [
            point.Item.Step.ToString(CultureInfo.InvariantCulture),
            point.Item.LearningRate.ToString("G3", CultureInfo.InvariantCulture),
            Text(point.Item.Loss),
            Text(Smoothed[point.Index]),
        ])];
    }

    private static string Text(double loss) => loss.ToString(loss < 1e6 ? "0.0000" : "0.0E+0", CultureInfo.InvariantCulture);

    /// <summary>Means with weights that fall to both sides: unlike a running mean they are not late.</summary>
    private static double[] Smooth(double[] values, int reach) => [.. values.Select((_, at) =>
    {
        var (sum, weights) = (0.0, 0.0);
        for (var i = Math.Max(0, at - reach); i <= Math.Min(values.Length - 1, at + reach); i++)
        {
            var weight = 1 - ((double)Math.Abs(i - at) / (reach + 1));
            (sum, weights) = (sum + (weight * values[i]), weights + weight);
        }

        return sum / weights;
    })];
}
