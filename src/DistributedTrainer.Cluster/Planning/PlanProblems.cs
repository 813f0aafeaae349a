using DistributedTrainer.Channels;
using DistributedTrainer.Data;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>What only shows when the experiment meets its data.</summary>
internal static class PlanProblems
{
    public static void Find(Experiment experiment, Dataset dataset, DataSplit split, ICollection<string> problems)
    {
        var training = experiment.Training;
        if (split.Training.Length == 0)
        {
            problems.Add($"data.split: no training rows are left of {dataset.Rows}. Lower validation and test.");
        }
        else if (AccumulateProblem(training, split.Training.Length) is { } tooMany)
        {
            problems.Add(tooMany);
        }
        else if (LeafSchedule.Problem(split.Training.Length, training.BatchSize * training.Accumulate, training.Shards, training.LastBatch == LastBatch.Keep) is { } problem)
        {
            problems.Add(problem);
        }

        if (experiment.Data.Split is { } shares)
        {
            Empty("validation", shares.Validation, split.Validation.Length, dataset.Rows, problems);
            Empty("test", shares.Test, split.Test.Length, dataset.Rows, problems);
        }

        var loss = EngineParts.LossOf(experiment.Loss!);
        var classification = dataset.Task == DataTask.Classification;
        if (classification && dataset.ClassNames.Count == 1)
        {
            problems.Add($"data.target: every row of {dataset.TargetName} holds the class {dataset.ClassNames[0]}; there is nothing to tell apart. Choose another column, or give rows of other classes.");
            return;
        }

        if (classification != (loss.Targets == LossTargets.Classes))
        {
            problems.Add(classification
                ? $"loss: {loss.Name} needs numbers as targets, but {dataset.TargetName} holds {dataset.ClassNames.Count} classes. Write loss: cross-entropy, or data.task: regression."
                : $"loss: {loss.Name} needs classes as targets, but {dataset.TargetName} holds numbers. Write loss: mean-squared-error, or data.task: classification.");
        }

        FindInClassWeights(experiment, dataset, problems);
        FindInStart(experiment, problems);

        // Where the loss itself is wrong, the outputs are judged as for the one that the message above names.
        var targets = classification ? dataset.ClassNames.Count : 1;
        var needed = classification == (loss.Targets == LossTargets.Classes) ? loss.OutputsFor(targets) : targets;
        if (needed is null)
        {
            problems.Add($"loss: {loss.Name} is not made for {targets} classes, but {dataset.TargetName} holds so many. Write loss: cross-entropy.");
        }
        else if (experiment.Model.Layers is [.., LinearOptions last] && last.Outputs != needed)
        {
            problems.Add(classification
                ? $"model.layers: the last layer has {last.Outputs} outputs, {dataset.TargetName} has {targets} classes ({string.Join(", ", dataset.ClassNames.Take(12))}). Write linear: {needed} at the end."
                : $"model.layers: the last layer has {last.Outputs} outputs, a number as target needs 1. Write linear: 1 at the end.");
        }
    }

    private static string? AccumulateProblem(TrainingOptions training, int rows)
    {
        var all = (long)training.BatchSize * training.Accumulate;
        return training.Accumulate > 1 && (all > int.MaxValue || (all > rows && training.LastBatch == LastBatch.Drop))
            ? $"training.accumulate: {training.Accumulate} batches of {training.BatchSize} rows are more than the {rows} training rows. Use fewer{(all > int.MaxValue ? "" : ", or write training.last-batch: keep")}."
            : null;
    }

    /// <summary>What the model shows once it is built.</summary>
    public static void FindInModel(TrainingPlan plan, ICollection<string> problems)
    {
        var classification = plan.IsClassification;
        var targets = classification ? plan.Data.Dataset.ClassNames.Count : 1;
        var outputs = plan.Model.Output.Elements;
        if (plan.Experiment.Model.Layers is not [.., LinearOptions] && plan.Loss.OutputsFor(targets) is { } needed && outputs != needed)
        {
            problems.Add($"model.layers: the model ends with {plan.Model.Output} outputs, {plan.Loss.Name} needs {needed} for {plan.Data.Dataset.TargetName}. Write linear: {needed} at the end.");
        }

        foreach (var problem in plan.Augmentation.Select(step => Augmenter.Problem(step, plan.Data.InputShape)).OfType<string>())
        {
            problems.Add(problem);
        }

        if (plan.Data.Validation.Rows == 0)
        {
            if (plan.EarlyStopping is not null)
            {
                problems.Add("training.early-stopping: there are no validation rows to judge by. Raise data.split.validation, or remove it.");
            }

            if (plan.Plateau is not null)
            {
                problems.Add("optimizer.schedule: reduce-on-plateau needs validation rows to judge by. Raise data.split.validation, or choose another schedule.");
            }
        }

        if (plan.EarlyStopping?.Metric == EarlyStoppingMetric.ValidationAccuracy && !classification)
        {
            problems.Add("training.early-stopping: a regression has no accuracy. Write metric: validation-loss.");
        }

        if (plan.Experiment.Tune?.Metric == EarlyStoppingMetric.ValidationAccuracy && !classification)
        {
            problems.Add("tune.metric: a regression has no accuracy. Write metric: validation-loss.");
        }

        FindInBatchNorms(plan, problems);
        FindInActivations(plan, problems);
        FindInWidths(plan, problems);
    }

    /// <summary>Parameters and the state that is averaged with them travel as one.</summary>
    private static void FindInWidths(TrainingPlan plan, ICollection<string> problems)
    {
        var (most, bytes) = (new ChannelOptions().MaximumPayloadBytes, (1L + plan.AveragedVectors) * sizeof(float));
        if (plan.AveragedVectors > 0 && plan.Ranges.Max(static range => range.Length) * bytes > most)
        {
            var least = (plan.Model.Layout.Length * bytes / most) + 1;
            problems.Add($"training.local-steps: the largest partition has {plan.Ranges.Max(static range => range.Length)} parameters, which with the optimizer's state are more than the {most} bytes of a frame. Write cluster.partitions: {least} at least, or local-steps: 1.");
        }
        else if (plan.AveragedVectors > 0 && plan.Model.Layout.Length * (1L + plan.AveragedVectors) > int.MaxValue)
        {
            problems.Add($"training.local-steps: {plan.Model.Layout.Length} parameters with the optimizer's state are more than 2^31 numbers. Choose an optimizer with less state, or write local-steps: 1.");
        }
    }

    /// <summary>All that one worker computes with lies in one vector.</summary>
    private static void FindInActivations(TrainingPlan plan, ICollection<string> problems)
    {
        try
        {
            plan.Model.WorkspaceBytes(plan.PassRows);
        }
        catch (OverflowException)
        {
            problems.Add($"training.batch-size: the outputs of all layers for {plan.PassRows} rows are more than 2^31 numbers. Use a smaller batch, or smaller layers.");
        }
    }

    private static void FindInClassWeights(Experiment experiment, Dataset dataset, ICollection<string> problems)
    {
        if (experiment.Loss!.ClassWeights is not { } weights || dataset.Task != DataTask.Classification)
        {
            return;
        }

        foreach (var name in weights.Weights.Select(static weight => weight.Class).Except(dataset.ClassNames))
        {
            problems.Add($"loss.class-weights: {dataset.TargetName} has no class '{name}'. Its classes are {string.Join(", ", dataset.ClassNames.Take(12))}.");
        }
    }

    /// <summary>Equal scores are no mistake in the eyes of a perceptron loss: its gradient there is 0, for ever.</summary>
    private static void FindInStart(Experiment experiment, ICollection<string> problems)
    {
        var (model, loss) = (experiment.Model, experiment.Loss!.Kind);
        if (loss is LossKind.Perceptron or LossKind.MulticlassPerceptron && model is { From: null, Init: { Weights.Kind: WeightKind.Zeros, Bias: 0 } })
        {
            problems.Add($"model.init.weights: with zeros every score starts at 0, where {ExperimentNames.Of(loss)} has no gradient, so nothing would ever be learned. Write he, or loss: {(loss == LossKind.Perceptron ? "hinge" : "multiclass-hinge")}.");
        }
    }

    /// <summary>A single row that is flat has no variance: batch normalisation of it is undefined.</summary>
    private static void FindInBatchNorms(TrainingPlan plan, ICollection<string> problems)
    {
        if (plan.IsLoose && plan.Model.BatchNorms.Count > 0)
        {
            problems.Add($"training.mode: {ExperimentNames.Of(plan.Experiment.Training.Mode)} and batch-norm do not go together: its statistics are those of whole steps. Write mode: sync, or layer-norm instead.");
        }

        if (plan.IsAveraged && plan.Model.BatchNorms.Count > 0)
        {
            problems.Add("training.local-steps: batch-norm and steps that shards take by themselves do not go together: its statistics are those of whole steps. Write local-steps: 1, or layer-norm instead.");
            return;
        }

        if (plan.Experiment.Training.Accumulate > 1 && plan.Model.BatchNorms.Any(static slot => slot.Sync))
        {
            problems.Add("training.accumulate: batch-norm with sync: true needs all rows of a step at once, but accumulated batches are computed one after the other. Write sync: false, which normalises each leaf by itself, or a larger training.batch-size.");
        }

        if (plan.Model.BatchNorms.All(static slot => slot.Positions > 1))
        {
            return;
        }

        var lastBatch = plan.Schedule.GlobalRows(plan.Schedule.StepsPerEpoch - 1);
        if (lastBatch == 1 || plan.BatchSize == 1)
        {
            problems.Add($"model.layers: batch-norm needs two rows at least, but a batch of one row occurs ({plan.Data.Training.Rows} training rows, training.batch-size {plan.BatchSize}). Choose another batch size, or write training.last-batch: drop.");
        }

        if (plan.Model.BatchNorms.Any(static slot => !slot.Sync && slot.Positions == 1) && LeafOfOneRow(plan.Schedule))
        {
            problems.Add("model.layers: batch-norm with sync: false needs two rows in each leaf, but leaves of one row occur. Use fewer training.shards, a larger training.batch-size, or sync: true.");
        }
    }

    private static bool LeafOfOneRow(LeafSchedule schedule)
    {
        for (var step = 0L; step < schedule.StepsPerEpoch; step++)
        {
            for (var shard = 0; shard < schedule.Shards; shard++)
            {
                if (schedule.LeafRows(step, shard) == 1)
                {
                    return true;
                }
            }
        }

        return false;
    }

    private static void Empty(string name, double share, int rows, int all, ICollection<string> problems)
    {
        if (share > 0 && rows == 0)
        {
            problems.Add($"data.split.{name}: {share} of {all} rows is no row. Raise it, or write 0.");
        }
    }
}
