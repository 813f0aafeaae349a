using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>The model of a run that has not ended, out of its newest checkpoint.</summary>
public sealed partial class SavedModel
{
    /// <summary>Builds the model of the newest whole checkpoint: of its best version, where early stopping keeps one.</summary>
    /// <param name="runDirectory">The run.</param>
    /// <param name="experiment">As the run's experiment.yaml says.</param>
    /// <param name="problems">Receives why there is none.</param>
    /// <returns>The model and the step of the checkpoint; null where anything is wrong.</returns>
    public static (SavedModel Model, long Step)? OfCheckpoint(string runDirectory, Experiment experiment, ICollection<string> problems)
    {
        var warnings = new List<string>();
        if (new CheckpointFolder(runDirectory, experiment.Checkpoint.Keep).Newest(warnings) is not { } checkpoint)
        {
            problems.Add("There is no checkpoint yet. checkpoint.every-seconds and checkpoint.every-steps say when one is made.");
            return null;
        }

        if (TrainingPlan.Create(experiment, runDirectory, 0, problems) is not { } plan)
        {
            return null;
        }

        var (parameters, statistics) = checkpoint.Best is { } best ? (best.Parameters, best.RunningStatistics) : (checkpoint.Parameters, checkpoint.RunningStatistics);
        var network = Network.Create(plan.Definition.Input, plan.Seed, plan.Definition.Weights, [.. plan.Definition.Layers]);
        if (parameters.Length != network.Parameters.Length || statistics.Length != network.Buffers.Length)
        {
            problems.Add($"{runDirectory}: the checkpoint of step {checkpoint.Step} has {parameters.Length} parameters, the experiment's model {network.Parameters.Length}. Was experiment.yaml changed?");
            return null;
        }

        parameters.CopyTo(network.Parameters);
        statistics.CopyTo(network.Buffers);
        var data = plan.Data;
        return (new SavedModel(runDirectory, plan.Experiment, data.Preprocessor, data.Dataset.TargetName, [.. data.Dataset.ClassNames], plan.Definition, network), checkpoint.Step);
    }
}
