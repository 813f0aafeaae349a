using System.Globalization;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>The files of a search: a run folder for each run, results.json, best.yaml and a plot.</summary>
internal sealed class TuneFolder(string path)
{
    public string FullPath { get; } = Path.GetFullPath(path);

    /// <summary>The folder that the user chose, or a new one named after the experiment and the time.</summary>
    public static TuneFolder Of(string? chosen, string name, TimeProvider time) =>
        new(chosen ?? Path.Combine("runs", $"{name}-{time.GetUtcNow().ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}"));

    public string In(string name) => Path.Combine(FullPath, name);

    /// <summary>The result of a run that has ended in an earlier search; null: it is to be run.</summary>
    /// <param name="run">Which.</param>
    /// <param name="problems">Told where the folder holds another experiment.</param>
    public RunResult? Find(TrialRun run, ICollection<string> problems)
    {
        var (result, experiment) = (In(Path.Combine(run.Folder, "result.json")), In(Path.Combine(run.Folder, "experiment.yaml")));
        if (!File.Exists(result))
        {
            return null;
        }

        if (!File.Exists(experiment) || File.ReadAllText(experiment) != ExperimentWriter.Write(run.Experiment))
        {
            problems.Add($"{In(run.Folder)} holds the result of another experiment, so this search cannot go on there. Choose another --run-dir.");
            return null;
        }

        return RunResult.Of(run.Fold, File.ReadAllText(result));
    }

    /// <summary>Writes results.json, best trial first, and best.yaml.</summary>
    /// <returns>The text of results.json.</returns>
    public string Save(TrialList list, IReadOnlyList<TrialResult> sorted)
    {
        var text = JsonText.Of(Results(list, sorted));
        JsonText.Save(In("results.json"), text);
        if (sorted is [var best, ..] && best.IsFinite(list.Tune.Metric))
        {
            JsonText.Save(In("best.yaml"), BestYaml(best, list.Tune.Metric));
        }

        return text;
    }

    /// <summary>The form of results.json. Nothing of it depends on the time, so that the same search gives the same bytes.</summary>
    internal static object Results(TrialList list, IReadOnlyList<TrialResult> sorted) => new
    {
        Experiment = list.Experiment.Name,
        list.Experiment.Seed,
        Search = ExperimentNames.Of(list.Tune.Search),
        Metric = ExperimentNames.Of(list.Tune.Metric),
        list.Experiment.Data.Folds,
        Best = sorted is [var best, ..] && best.IsFinite(list.Tune.Metric) ? best.Trial.Number : (int?)null,
        Trials = sorted.Select(result => new
        {
            Trial = result.Trial.Number,
            Settings = result.Trial.Settings.ToDictionary(static setting => setting.Key, static setting => setting.Value),
            ValidationLoss = result.Mean(static run => run.ValidationLoss),
            ValidationLossDeviation = result.Deviation(static run => run.ValidationLoss),
            ValidationAccuracy = result.Mean(static run => run.ValidationAccuracy),
            ValidationAccuracyDeviation = result.Deviation(static run => run.ValidationAccuracy),
            result.Failure,
            result.Runs,
        }),
    };

    /// <summary>
    /// The best trial as an experiment to train. With folds, all rows that took turns are training rows, but for
    /// validation rows where something in the experiment needs them.
    /// </summary>
    internal string BestYaml(TrialResult best, EarlyStoppingMetric metric)
    {
        var experiment = best.Trial.Experiment;
        var data = experiment.Data;
        if (data.Folds is { } folds)
        {
            var watched = experiment.Training.EarlyStopping is not null || experiment.Optimizer.Schedule is ReduceOnPlateauScheduleOptions;
            var test = data.Split?.Test ?? 0;
            data = data with
            {
                Folds = null,
                Fold = null,
                Split = new SplitOptions { Validation = watched ? Math.Round((1 - test) / folds, 4) : 0, Test = test, Stratify = data.Split?.Stratify ?? true },
            };
        }

        experiment = ExperimentPaths.RelativeTo(experiment with { Data = data }, FullPath);
        var value = best.Mean(run => run.Of(metric))!.Value.ToString("0.######", CultureInfo.InvariantCulture);
        return $"# Trial {best.Trial.Number}: {ExperimentNames.Of(metric)} {value}. Train it with: dtrain train best.yaml\n" + ExperimentWriter.Write(experiment);
    }
}
