using DistributedTrainer.Data;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>Analytic against numeric gradients of an experiment's model, on its own data and at its initial weights.</summary>
public static class ExperimentGradients
{
    // Small enough for networks with hundreds of units that have a kink, each of which bends the loss a little.
    private const float Step = 0.005f;

    /// <summary>Checks the gradients on the first training rows.</summary>
    /// <param name="experiment">What is trained; with folds, the first is held out.</param>
    /// <param name="baseDirectory">Where relative paths start.</param>
    /// <param name="rows">Rows of the one batch, at least 1; fewer where there are fewer.</param>
    /// <param name="problems">Receives what is wrong.</param>
    /// <returns>Null where anything is wrong.</returns>
    public static GradientCheckResult? Check(Experiment experiment, string baseDirectory, int rows, ICollection<string> problems)
    {
        if (TrainingPlan.Create(experiment, baseDirectory, 0, problems) is not { } plan)
        {
            return null;
        }

        var (training, width) = (plan.Data.Training, plan.Model.Input.Elements);
        var count = Math.Min(rows, training.Rows);
        if (count < 2 && plan.Model.BatchNorms.Any(static slot => slot.Positions == 1))
        {
            problems.Add($"--rows: batch-norm needs two rows at least, {count} was asked for.");
            return null;
        }

        var features = new float[count * width];
        for (var row = 0; row < count; row++)
        {
            training.CopyRow(row, features.AsSpan(row * width, width));
        }

        var examples = plan.IsClassification
            ? new Examples(features, Enumerable.Range(0, count).Select(training.Label).ToArray())
            : new Examples(features, Enumerable.Range(0, count).Select(training.Target).ToArray());
        var (parameters, buffers) = (new float[plan.Model.Layout.Length], new float[plan.Model.Buffers.Length]);
        plan.Initialize(parameters, buffers);
        return GradientCheck.Run(plan.Model, plan.Loss, parameters, examples, new GradientCheckOptions { Seed = plan.Seed, Step = Step });
    }
}
