using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>A run of a trial, up to a rung.</summary>
/// <param name="Run">Which.</param>
/// <param name="Rung">From 0.</param>
/// <param name="Experiment">What is run.</param>
internal sealed record RungRun(TrialRun Run, int Rung, Experiment Experiment)
{
    /// <summary>A run that is no part of a search.</summary>
    public static RungRun Alone(Experiment experiment) => new(new TrialRun(new Trial(0, [], experiment), null, experiment), 0, experiment);

    /// <summary>What is said of it, such as "trial 3 fold 1: "; nothing of a run that is no part of a search.</summary>
    public string Said(string text) => Run.Trial.Number == 0 ? text : $"trial {Run.Trial.Number}{(Run.Fold is { } fold ? $" fold {fold}" : "")}: {text}";
}
