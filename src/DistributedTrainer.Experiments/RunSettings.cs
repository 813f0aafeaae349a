using System.Globalization;
using DistributedTrainer.Experiments.Reading;
using DistributedTrainer.Experiments.Writing;

namespace DistributedTrainer.Experiments;

/// <summary>One key that got another value, both as the experiment file writes them.</summary>
/// <param name="Key">Such as <c>training.mode</c>.</param>
/// <param name="From">What it was.</param>
/// <param name="To">What it is.</param>
public sealed record SettingChange(string Key, string From, string To)
{
    /// <summary>Several of them, as in "training.mode is stale (was sync)".</summary>
    public static string Text(IEnumerable<SettingChange> changes) => string.Join(", ", changes.Select(static change => $"{change.Key} is {change.To} (was {change.From})"));
}

/// <summary>
/// What of an experiment may be changed while it is trained: how workers and servers keep step, which is recorded, and what
/// decides no bit of any result.
/// </summary>
public static class RunSettings
{
    /// <summary>The key of the mode.</summary>
    public const string Mode = "training.mode";

    /// <summary>The key of the bound of mode stale.</summary>
    public const string Staleness = "training.staleness";

    private const string Unset = "null";

    // Whether workers and servers have to know of it; otherwise it is the coordinator's own business.
    private static readonly (string Key, bool Nodes, Func<Experiment, string> Value)[] Settings =
    [
        (Mode, true, static experiment => Names.Kebab(experiment.Training.Mode)),
        (Staleness, true, static experiment => experiment.Training.Mode == TrainingMode.Stale ? experiment.Training.Staleness.ToString(CultureInfo.InvariantCulture) : Unset),
        ("checkpoint.every-steps", true, static experiment => experiment.Checkpoint.EverySteps?.ToString(CultureInfo.InvariantCulture) ?? Unset),
        ("checkpoint.every-seconds", true, static experiment => YamlValues.Number(experiment.Checkpoint.EverySeconds)),
        ("checkpoint.keep", false, static experiment => experiment.Checkpoint.Keep.ToString(CultureInfo.InvariantCulture)),
        ("cluster.minimum-workers", false, static experiment => experiment.Cluster.MinimumWorkers.ToString(CultureInfo.InvariantCulture)),
    ];

    /// <summary>The keys.</summary>
    public static IReadOnlyList<string> Keys { get; } = Array.ConvertAll(Settings, static setting => setting.Key);

    /// <summary>Whether a key is of interest to others than the coordinator: then it changes between two steps.</summary>
    public static bool ConcernsNodes(string key) => Array.Exists(Settings, setting => setting.Nodes && setting.Key == key);

    /// <summary>All of them with their values.</summary>
    public static (string Key, string Value)[] Of(Experiment experiment) => Array.ConvertAll(Settings, setting => (setting.Key, setting.Value(experiment)));

    /// <summary>What is different in another experiment, which is the same otherwise.</summary>
    public static SettingChange[] Between(Experiment from, Experiment to) =>
        [.. Settings.Select(setting => new SettingChange(setting.Key, setting.Value(from), setting.Value(to))).Where(static change => change.From != change.To)];

    /// <summary>What makes one experiment of the other, as <see cref="With"/> takes it: only what workers and servers have to know.</summary>
    public static string[] Overrides(Experiment from, Experiment to) =>
        [.. Between(from, to).Where(static change => ConcernsNodes(change.Key)).Select(static change => $"{change.Key}={change.To}")];

    /// <summary>The experiment with other settings.</summary>
    /// <param name="experiment">The experiment.</param>
    /// <param name="overrides">As <see cref="Overrides"/> gives them.</param>
    /// <exception cref="ArgumentException">They are none.</exception>
    public static Experiment With(Experiment experiment, IReadOnlyList<string> overrides)
    {
        var problems = new List<string>();
        return overrides.Count == 0 ? experiment
            : Changed(experiment, overrides, problems) ?? throw new ArgumentException($"settings: {string.Join(' ', problems)}", nameof(overrides));
    }

    /// <summary>The experiment with what somebody wants to be different while it is trained.</summary>
    /// <param name="experiment">As it is trained.</param>
    /// <param name="overrides"><c>key=value</c> each; later ones win.</param>
    /// <param name="problems">Receives what is wrong with them.</param>
    /// <returns>Null: there are problems.</returns>
    public static Experiment? Changed(Experiment experiment, IReadOnlyList<string> overrides, ICollection<string> problems)
    {
        // What comes with another mode goes with it.
        var keys = overrides.Select(static text => text.Split('=')[0].Trim()).ToArray();
        var last = overrides.LastOrDefault(static text => text.Split('=')[0].Trim() == Mode);
        var leaves = experiment.Training.Mode == TrainingMode.Stale && last is not null && last[(last.IndexOf('=', StringComparison.Ordinal) + 1)..].Trim() != Names.Kebab(TrainingMode.Stale);
        var read = ExperimentReader.Read(ExperimentWriter.Write(experiment), "", leaves ? [$"{Staleness}={Unset}", .. overrides] : overrides);
        foreach (var problem in read.Problems)
        {
            problems.Add(problem.ToString());
        }

        if (read.Experiment is not { } changed)
        {
            return null;
        }

        var fixedKeys = keys.Where(static key => !Keys.Contains(key)).Distinct().ToArray();
        foreach (var key in fixedKeys)
        {
            problems.Add($"--set: {key}: it cannot be changed while the run goes on. What can: {string.Join(", ", Keys)}. For anything else begin a new run, from this one's weights with model.from.");
        }

        return fixedKeys.Length > 0 ? null : Taking(experiment, changed);
    }

    /// <summary>The experiment with the settings of another one.</summary>
    public static Experiment Taking(Experiment experiment, Experiment from) => experiment with
    {
        Training = experiment.Training with { Mode = from.Training.Mode, Staleness = from.Training.Staleness },
        Checkpoint = from.Checkpoint,
        Cluster = experiment.Cluster with { MinimumWorkers = from.Cluster.MinimumWorkers },
    };
}
