using System.Text.Json;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>What one run of a trial gave.</summary>
/// <param name="Fold">Which fold was held out; null: there are none.</param>
internal sealed record RunResult(int? Fold)
{
    public long Steps { get; init; }

    public double Epochs { get; init; }

    /// <summary>Whether it waits for being taken on to the next rung; null: it came to its end.</summary>
    public bool? Paused { get; init; }

    public double? TrainLoss { get; init; }

    public double? ValidationLoss { get; init; }

    public double? ValidationAccuracy { get; init; }

    public double? TestLoss { get; init; }

    public double? TestAccuracy { get; init; }

    public string? ParametersSha256 { get; init; }

    /// <summary>Why there is no result; null: there is one.</summary>
    public string? Failure { get; init; }

    /// <summary>From the text of a run's result.json.</summary>
    public static RunResult Of(int? fold, string resultJson)
    {
        using var document = JsonDocument.Parse(resultJson);
        var (result, metrics) = (document.RootElement, document.RootElement.GetProperty("metrics"));
        return new RunResult(fold)
        {
            Steps = result.GetProperty("steps").GetInt64(),
            Epochs = JsonText.Number(result, "epochs") ?? 0,
            Paused = result.TryGetProperty("paused", out var paused) && paused.GetBoolean() ? true : null,
            TrainLoss = JsonText.Number(metrics, "trainLoss"),
            ValidationLoss = JsonText.Number(metrics, "validationLoss"),
            ValidationAccuracy = JsonText.Number(metrics, "validationAccuracy"),
            TestLoss = JsonText.Number(metrics, "testLoss"),
            TestAccuracy = JsonText.Number(metrics, "testAccuracy"),
            ParametersSha256 = result.GetProperty("parametersSha256").GetString(),
        };
    }

    public double? Of(EarlyStoppingMetric metric) => metric == EarlyStoppingMetric.ValidationLoss ? ValidationLoss : ValidationAccuracy;
}

/// <summary>A trial with the results of its runs.</summary>
/// <param name="Trial">Which.</param>
/// <param name="Runs">At the last rung that all of them have come to.</param>
/// <param name="Rung">From 0; without halving there is no other.</param>
/// <param name="IsStopped">Whether others have gone on from there, and this one has not.</param>
internal sealed record TrialResult(Trial Trial, IReadOnlyList<RunResult> Runs, int Rung = 0, bool IsStopped = false)
{
    /// <summary>Epochs of the run that has most.</summary>
    public double Epochs => Runs.Max(static run => run.Epochs);

    /// <summary>Why the trial has no result: that of the first run that failed.</summary>
    public string? Failure => Runs.FirstOrDefault(static run => run.Failure is not null)?.Failure;

    /// <summary>The mean over the runs; null where one of them failed or does not have it.</summary>
    public double? Mean(Func<RunResult, double?> value) => Failure is null && Runs.All(run => value(run) is not null) ? Runs.Average(value) : null;

    /// <summary>The standard deviation between the runs (over n − 1); null with a single one.</summary>
    public double? Deviation(Func<RunResult, double?> value) => Runs.Count > 1 && Mean(value) is { } mean
        ? Math.Sqrt(Runs.Sum(run => (value(run)!.Value - mean) * (value(run)!.Value - mean)) / (Runs.Count - 1))
        : null;

    /// <summary>
    /// Best first, where whoever went on to a later rung is better than who did not; trials without a finite metric last. Equal
    /// accuracies are told apart by the loss, and then the first trial is the better one.
    /// </summary>
    public static IReadOnlyList<TrialResult> Sorted(IEnumerable<TrialResult> results, EarlyStoppingMetric metric) =>
        [.. results.OrderBy(result => !result.IsFinite(metric)).ThenByDescending(static result => result.Rung)
            .ThenBy(result => Rank(result, metric)).ThenBy(static result => Rank(result, EarlyStoppingMetric.ValidationLoss)).ThenBy(static result => result.Trial.Number)];

    public bool IsFinite(EarlyStoppingMetric metric) => double.IsFinite(Rank(this, metric));

    private static double Rank(TrialResult result, EarlyStoppingMetric metric)
    {
        var value = result.Mean(run => run.Of(metric)) ?? double.NaN;
        return !double.IsFinite(value) ? double.PositiveInfinity : metric == EarlyStoppingMetric.ValidationLoss ? value : -value;
    }
}
