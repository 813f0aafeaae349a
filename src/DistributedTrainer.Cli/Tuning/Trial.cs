using DistributedTrainer.Cli.Commands;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>One combination of values, and the experiment that it makes.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Settings">What is different from the file.</param>
/// <param name="Experiment">With absolute paths and without the section tune; with folds, that of the first one.</param>
internal sealed record Trial(int Number, IReadOnlyList<Setting> Settings, Experiment Experiment)
{
    /// <summary>The runs of the trial: one, or one for each fold.</summary>
    /// <param name="onlyFold">The fold that the file chooses; null: each in turn.</param>
    public IReadOnlyList<TrialRun> Runs(int? onlyFold) => Experiment.Data.Folds is not { } folds
        ? [new TrialRun(this, null, Experiment)]
        : [.. (onlyFold is { } only ? [only] : Enumerable.Range(1, folds))
            .Select(fold => new TrialRun(this, fold, Experiment with { Data = Experiment.Data with { Fold = fold } }))];
}

/// <summary>One run of a trial.</summary>
/// <param name="Trial">Whose.</param>
/// <param name="Fold">Which fold is held out, from 1; null: there are none.</param>
/// <param name="Experiment">What is run.</param>
internal sealed record TrialRun(Trial Trial, int? Fold, Experiment Experiment)
{
    /// <summary>Where it goes, within the folder of the search.</summary>
    public string Folder => Fold is { } fold ? Path.Combine($"trial-{Trial.Number:0000}", $"fold-{fold}") : $"trial-{Trial.Number:0000}";

    /// <summary>What is run up to a rung.</summary>
    /// <param name="pauseAfter">Epochs; null: to the end.</param>
    public Experiment UpTo(int? pauseAfter) => Experiment with { Training = Experiment.Training with { PauseAfter = pauseAfter ?? Experiment.Training.PauseAfter } };
}

/// <summary>All trials of a search.</summary>
/// <param name="Experiment">As the file says it, with the section tune.</param>
/// <param name="Tune">What is searched.</param>
/// <param name="Trials">In the order in which they run.</param>
internal sealed record TrialList(Experiment Experiment, TuneOptions Tune, IReadOnlyList<Trial> Trials)
{
    /// <summary>All runs of all trials.</summary>
    public IEnumerable<TrialRun> Runs => Trials.SelectMany(trial => trial.Runs(Experiment.Data.Fold));

    /// <summary>The epochs after which trials pause to be compared, ascending; the last is null, the end. Without halving there is no other.</summary>
    public IReadOnlyList<int?> Rungs { get; } = Tune.Halving is { } halving && Trials is [var first, ..]
        ? [.. halving.Rungs(first.Experiment.Training.Epochs!.Value).SkipLast(1).Select(static epochs => (int?)epochs), null]
        : [null];

    /// <summary>Makes the trials and checks every one of them, with its data, before any runs.</summary>
    /// <param name="text">The experiment file.</param>
    /// <param name="overrides">key=value each, as given with --set.</param>
    /// <param name="problems">Receives all that is wrong.</param>
    /// <returns>Null where anything is wrong.</returns>
    public static TrialList? Create(ExperimentText text, IReadOnlyList<string> overrides, ICollection<string> problems)
    {
        var read = ExperimentReader.Read(text.Yaml, text.FileName, overrides);
        if (read.Experiment is not { } experiment)
        {
            Add(read.Problems.Select(static problem => problem.ToString()), problems);
            return null;
        }

        var tune = experiment.Tune ?? new TuneOptions();
        var data = experiment.Data;
        if (tune.Ranges.Count == 0 && data.Folds is null)
        {
            problems.Add($"{text.FileName}: there is nothing to tune. Write tune: {{ ranges: {{ optimizer.learning-rate: {{ from: 0.0001, to: 0.1, scale: log }} }} }}, or data.folds: 5 for cross-validation.");
        }

        if (data is { ValidationSource: null, Folds: null, Split: null or { Validation: 0 } })
        {
            problems.Add($"{text.FileName}: there are no validation rows to compare trials by. Write data.split: {{ validation: 0.1 }}, data.folds or data.validation-source.");
        }

        var settings = problems.Count > 0 ? [] : Search.Trials(tune, experiment.Seed, problems);
        string[] fold = data is { Folds: not null, Fold: null } ? ["data.fold=1"] : [];
        var trials = new List<Trial>();
        foreach (var (index, values) in settings.Index())
        {
            var found = ExperimentCheck.Check(text.Yaml, text.FileName, text.BaseDirectory, [.. overrides, .. fold, .. values.Select(static value => value.ToString())], out var one);
            Add(found.Select(problem => problem.StartsWith("--set: ", StringComparison.Ordinal) ? $"tune.ranges: {problem["--set: ".Length..]}" : problem), problems);
            if (found.Count == 0)
            {
                // One server and no more: in one process there is one, and the result is the same.
                var own = ExperimentPaths.Absolute(one!, text.BaseDirectory);
                trials.Add(new Trial(index + 1, values, own with { Tune = null, Cluster = own.Cluster with { Servers = 1 } }));
            }
        }

        if (problems.Count == 0 && tune.Halving is { } halving)
        {
            Add(Problems(halving, trials).Select(problem => $"{text.FileName}: tune.halving: {problem}"), problems);
        }

        return problems.Count == 0 ? new TrialList(experiment, tune, trials) : null;
    }

    /// <summary>Why these trials cannot be compared on their way.</summary>
    private static IEnumerable<string> Problems(HalvingOptions halving, List<Trial> trials)
    {
        var runs = trials.ConvertAll(static trial => trial.Experiment.Training);
        if (trials.Count < 2)
        {
            yield return "there is a single trial, and none that it could fall behind. Write more values under tune.ranges, or remove halving.";
        }

        if (runs.Exists(static run => run.Epochs is null))
        {
            yield return "trials are compared after epochs, and training.steps is given. Write training.epochs.";
        }
        else if (runs.DistinctBy(static run => run.Epochs).Count() > 1)
        {
            yield return "trials of different lengths cannot be compared on their way. Remove training.epochs from tune.ranges.";
        }
        else if (runs is [{ Epochs: { } epochs }, ..] && halving.Rungs(epochs).Count == 1)
        {
            yield return $"first-epochs, {halving.FirstEpochs}, times factor, {halving.Factor}, is more than training.epochs, {epochs}: no trial would be stopped. Write fewer first-epochs, or more epochs.";
        }

        if (runs.Find(static run => run.Mode != TrainingMode.Sync) is { } loose)
        {
            yield return $"a trial in mode {ExperimentNames.Of(loose.Mode)} cannot pause and go on as if it had not. Write training.mode: sync, or remove halving.";
        }

        if (runs.Exists(static run => run.PauseAfter is not null))
        {
            yield return "it says itself where trials pause. Remove training.pause-after.";
        }
    }

    private static void Add(IEnumerable<string> found, ICollection<string> problems)
    {
        // What is wrong with one trial is often wrong with all.
        foreach (var problem in found.Where(problem => !problems.Contains(problem)))
        {
            problems.Add(problem);
        }
    }
}
