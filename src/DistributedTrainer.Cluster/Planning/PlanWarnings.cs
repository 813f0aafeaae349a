using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>What is possible but probably not meant: told at the start of a run.</summary>
internal static class PlanWarnings
{
    // As many names as a person reads.
    private const int NamesShown = 8;

    public static IEnumerable<string> Of(TrainingPlan plan)
    {
        var (data, model) = (plan.Data, plan.Experiment.Model);
        if (data.Preprocessor.ConstantColumns.Count > 0)
        {
            yield return $"Constant in the training rows, and therefore 0: {Names([.. data.Preprocessor.ConstantColumns])}.";
        }

        if (plan.IsClassification)
        {
            var seen = new bool[data.Dataset.ClassNames.Count];
            for (var row = 0; row < data.Training.Rows; row++)
            {
                seen[data.Training.Label(row)] = true;
            }

            string[] missing = [.. data.Dataset.ClassNames.Where((_, index) => !seen[index])];
            if (missing.Length > 0)
            {
                yield return $"No training row has the class {Names(missing)}: it cannot be learned. Write data.split.stratify: true, or give more rows.";
            }
        }

        if (plan.PassRows > plan.Experiment.Training.BatchSize)
        {
            yield return $"training.accumulate: a leaf has {plan.PassRows} rows, more than the {plan.Experiment.Training.BatchSize} of a batch, and is computed at once. Where memory is short, use at least as many training.shards as accumulated batches.";
        }

        if (plan.Experiment.Training.LocalSteps > plan.Schedule.StepsPerEpoch)
        {
            yield return $"training.local-steps: {plan.Experiment.Training.LocalSteps} are more than the {plan.Schedule.StepsPerEpoch} steps of an epoch, at whose end shards are averaged in any case.";
        }

        if (plan.IsAveraged && plan.Shards > 1 && plan.After(0) <= 1 + plan.AveragedVectors)
        {
            yield return $"training.local-steps: with the optimizer's state {1 + plan.AveragedVectors} vectors travel where a step without local steps sends one, so that {plan.After(0)} of them send no less. Use more, or an optimizer with less state.";
        }

        if (model is { From: null, Init.Weights.Kind: WeightKind.Zeros } && model.Layers.Count(static layer => layer is LinearOptions or Conv2dOptions) > 1)
        {
            yield return "model.init.weights: zeros: all hidden units get the same gradient and stay equal. Write he, glorot or xavier.";
        }
    }

    private static string Names(string[] names) =>
        string.Join(", ", names.Take(NamesShown)) + (names.Length > NamesShown ? $" and {names.Length - NamesShown} more" : "");
}
