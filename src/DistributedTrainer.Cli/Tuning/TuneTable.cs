using System.Globalization;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>The table at the end of a search.</summary>
internal static class TuneTable
{
    private static readonly (string Header, Func<RunResult, double?> Value, string Format)[] Columns =
    [
        ("validation loss", static run => run.ValidationLoss, "0.0000"),
        ("validation accuracy", static run => run.ValidationAccuracy, "0.00%"),
        ("training loss", static run => run.TrainLoss, "0.0000"),
    ];

    /// <summary>
    /// A row a trial, best first; with folds, means and standard deviations. A single trial: a row a fold too. With halving: how far
    /// each came, and whether it was stopped there.
    /// </summary>
    public static (string[] Headers, List<string[]> Rows) Of(TuneOptions tune, IReadOnlyList<TrialResult> sorted, int rungs = 1)
    {
        var columns = Columns.Where(column => sorted.Any(result => result.Runs.Any(run => column.Value(run) is not null))).ToArray();
        var rows = new List<string[]>();
        foreach (var result in sorted)
        {
            var values = columns.Select(column => Cell(result.Mean(column.Value), result.Deviation(column.Value), column.Format));
            rows.Add([result.Trial.Number.ToString(CultureInfo.InvariantCulture), .. Place(rungs, result), .. result.Trial.Settings.Select(static setting => setting.Value), .. values, .. Failure(sorted, result.Failure)]);
        }

        if (sorted is [{ Runs.Count: > 1 } only])
        {
            rows = [
                .. only.Runs.Select(run => (string[])[$"fold {run.Fold}", .. only.Trial.Settings.Select(static setting => setting.Value), .. columns.Select(column => Cell(column.Value(run), null, column.Format)), .. Failure(sorted, run.Failure)]),
                ["mean", .. rows[0][1..]],
            ];
        }

        return (["trial", .. rungs > 1 ? ["epochs", "rung"] : Array.Empty<string>(), .. tune.Ranges.Select(static range => range.Key), .. columns.Select(static column => column.Header), .. sorted.Any(static result => result.Failure is not null) ? ["failure"] : Array.Empty<string>()], rows);
    }

    private static string[] Place(int rungs, TrialResult result) => rungs == 1 ? []
        : [result.Epochs.ToString("0.##", CultureInfo.InvariantCulture), $"{result.Rung + 1}/{rungs}{(result.IsStopped ? " stopped" : "")}"];

    private static string[] Failure(IReadOnlyList<TrialResult> sorted, string? failure) => sorted.Any(static result => result.Failure is not null) ? [failure ?? ""] : [];

    private static string Cell(double? value, double? deviation, string format) => value is not { } number ? "-"
        : deviation is { } spread ? string.Create(CultureInfo.InvariantCulture, $"{number.ToString(format, CultureInfo.InvariantCulture)} ± {spread.ToString(format, CultureInfo.InvariantCulture)}")
        : number.ToString(format, CultureInfo.InvariantCulture);
}
