using DistributedTrainer.Data;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>Analytic against numeric gradients of an experiment's model, on its own data and at its initial weights.</summary>
public static class ExperimentGradients
{
    // In networks with hundreds of units that have a kink there are some within any step. What they and the rounding add
    // to the error depends on the step; what a wrong derivative adds does not.
    private static readonly float[] Steps = [0.005f, 0.002f, 0.02f];

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
        GradientCheckResult Run(float step) => GradientCheck.Run(plan.Model, plan.Loss, parameters, examples, new GradientCheckOptions { Seed = plan.Seed, Step = step });
        var result = Run(Steps[0]);
        foreach (var step in Steps.AsSpan(1))
        {
            result = result.Passed ? result : new GradientCheckResult([.. result.Parameters.Zip(Run(step).Parameters, Better)]);
        }

        return result;
    }

    private static ParameterCheck Better(ParameterCheck first, ParameterCheck second) =>
        first.Passed || !second.Passed ? first : second;
}
