using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Replay;

namespace DistributedTrainer.Cluster.Checkpoints;

/// <summary>Where a run that has ended, by whatever cause, can go on.</summary>
internal static class ResumePoint
{
    /// <summary>The newest whole checkpoint of a run; null: none, training begins anew.</summary>
    /// <param name="plan">How it is to go on.</param>
    /// <param name="runDirectory">The run.</param>
    /// <param name="warnings">Receives what is wrong with newer checkpoints.</param>
    /// <param name="problems">Receives why this is not how it can go on.</param>
    public static Checkpoint? Find(TrainingPlan plan, string runDirectory, ICollection<string> warnings, ICollection<string> problems)
    {
        var folder = new CheckpointFolder(runDirectory, plan.Experiment.Checkpoint.Keep);
        if (folder.Newest(warnings) is not { } checkpoint)
        {
            return null;
        }

        // The mode may be another one from here on: the record says what it was up to here.
        var manifest = checkpoint.Manifest;
        if (manifest.ExperimentSha256 != ExperimentIdentity.Sha256(OrderSection.TrainedLast(plan.Experiment, checkpoint.Orders)))
        {
            problems.Add($"{runDirectory}: the experiment is not that of the checkpoint of step {manifest.Step}. Only cluster.*, checkpoint.*, training.mode, training.staleness, training.non-finite, training.pause-after, name, and where the data lies may be changed: all else would change the result. To train on from these weights with other settings, start a new run with model.from.");
        }
        else if (manifest.InputsSha256 != plan.InputsSha256)
        {
            problems.Add($"{runDirectory}: the data is not that of the checkpoint of step {manifest.Step}: its SHA-256 is {plan.InputsSha256}, and was {manifest.InputsSha256}. Give the same files.");
        }

        if (problems.Count == 0 && manifest.Extensions is { } before && (UsedExtensions.Of(plan.Experiment) ?? []).Select(static file => $"{file.Name} {file.Sha256}").Except(before).ToArray() is { Length: > 0 } others)
        {
            warnings.Add($"{string.Join(", ", others.Select(static text => text.Split(' ')[0]))}: the extension is another file than at the checkpoint of step {manifest.Step}. The result is that of an uninterrupted run only if its layers and losses compute the same.");
        }

        return checkpoint;
    }
}
