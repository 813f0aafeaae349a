using System.Globalization;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>The files of a search: a run folder for each run, results.json, best.yaml and a plot.</summary>
internal sealed class TuneFolder(string path)
{
    /// <summary>In the folder of a run: its experiment.</summary>
    public const string ExperimentName = "experiment.yaml";

    /// <summary>In the folder of a run: its result.</summary>
    public const string ResultName = "result.json";

    /// <summary>In the folder of a run: why it failed.</summary>
    public const string FailureName = "ended.txt";

    public string FullPath { get; } = Path.GetFullPath(path);

    /// <summary>The folder that the user chose, or a new one named after the experiment and the time.</summary>
    public static TuneFolder Of(string? chosen, string name, TimeProvider time) =>
        new(chosen ?? Path.Combine("runs", $"{name}-{time.GetUtcNow().ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}"));

    public string In(string name) => Path.Combine(FullPath, name);

    /// <summary>The results of a run at the rungs that it came to in an earlier sitting, from the first one on.</summary>
    /// <param name="run">Which.</param>
    /// <param name="rungs">Of the search.</param>
    /// <param name="problems">Told where the folder holds another experiment, or was compared with others elsewhere.</param>
    public IReadOnlyList<RunResult> Find(TrialRun run, IReadOnlyList<int?> rungs, ICollection<string> problems)
    {
        var (directory, result, begun) = (In(run.Folder), In(Path.Combine(run.Folder, ResultName)), In(Path.Combine(run.Folder, ExperimentName)));
        string[] kept = Directory.Exists(directory) ? [.. Directory.GetFiles(directory, "rung-*.json").Select(static file => Path.GetFileName(file))] : [];
        if (!File.Exists(result) && kept.Length == 0 && !(rungs.Count > 1 && Directory.Exists(Path.Combine(directory, "checkpoints"))))
        {
            return [];
        }

        // It came to each rung before the one that it was on its way to.
        var text = File.Exists(begun) ? File.ReadAllText(begun) : "";
        var at = rungs.ToList().FindIndex(rung => ExperimentWriter.Write(run.UpTo(rung)) == text);
        if (at < 0 || kept.Except(rungs.Take(at + 1).OfType<int>().Select(RungName)).Any() || !rungs.Take(at).All(rung => kept.Contains(RungName(rung!.Value))))
        {
            problems.Add($"{directory} holds the result of another experiment, or of a search with other rungs, so this search cannot go on there. Choose another --run-dir.");
            return [];
        }

        var results = rungs.Take(at + 1).OfType<int>().Where(rung => kept.Contains(RungName(rung)))
            .Select(rung => RunResult.Of(run.Fold, File.ReadAllText(Path.Combine(directory, RungName(rung))))).ToList();
        if (results.Count == at && File.Exists(result))
        {
            if (FailureIn(directory) is { } failure)
            {
                return [.. results, new RunResult(run.Fold) { Failure = failure }];
            }

            Keep(run, rungs[at], File.ReadAllText(result));
            results.Add(RunResult.Of(run.Fold, File.ReadAllText(result)));
        }

        return results;
    }

    /// <summary>Whether a folder holds the beginning of this run, up to whatever rung.</summary>
    public static bool HasBegun(TrialRun run, string runDirectory)
    {
        var begun = Path.Combine(runDirectory, ExperimentName);
        return File.Exists(begun)
            && ExperimentReader.Read(File.ReadAllText(begun), ExperimentName, []).Experiment is { } experiment
            && ExperimentWriter.Write(experiment with { Training = experiment.Training with { PauseAfter = run.Experiment.Training.PauseAfter } }) == ExperimentWriter.Write(run.Experiment);
    }

    /// <summary>Keeps the result of a run at a rung: going on from there deletes its result.json.</summary>
    /// <param name="run">Whose.</param>
    /// <param name="rung">Its epochs; null: the end, where nothing is deleted any more.</param>
    /// <param name="resultJson">The text of its result.json.</param>
    public void Keep(TrialRun run, int? rung, string resultJson)
    {
        if (rung is { } epochs)
        {
            JsonText.Save(In(Path.Combine(run.Folder, RungName(epochs))), resultJson);
        }
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
        Halving = list.Tune.Halving is { } halving ? new { halving.Factor, halving.FirstEpochs, Rungs = halving.Rungs(list.Trials[0].Experiment.Training.Epochs!.Value) } : null,
        Best = sorted is [var best, ..] && best.IsFinite(list.Tune.Metric) ? best.Trial.Number : (int?)null,
        Trials = sorted.Select(result => new
        {
            Trial = result.Trial.Number,
            Settings = result.Trial.Settings.ToDictionary(static setting => setting.Key, static setting => setting.Value),
            ValidationLoss = result.Mean(static run => run.ValidationLoss),
            ValidationLossDeviation = result.Deviation(static run => run.ValidationLoss),
            ValidationAccuracy = result.Mean(static run => run.ValidationAccuracy),
            ValidationAccuracyDeviation = result.Deviation(static run => run.ValidationAccuracy),
            Rung = list.Rungs.Count > 1 ? result.Rung + 1 : (int?)null,
            Stopped = result.IsStopped ? true : (bool?)null,
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

    private static string RungName(int epochs) => string.Create(CultureInfo.InvariantCulture, $"rung-{epochs}.json");

    /// <summary>Why the run in a folder failed, as whoever waited for it was told; null: it did not.</summary>
    private static string? FailureIn(string directory) =>
        Path.Combine(directory, FailureName) is var file && File.Exists(file) ? Texts.FirstSentence(File.ReadAllText(file).TrimEnd('\n')) : null;
}
