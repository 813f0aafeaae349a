using DistributedTrainer.Data;
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
        else if (LeafSchedule.Problem(split.Training.Length, training.BatchSize, training.Shards, training.LastBatch == LastBatch.Keep) is { } problem)
        {
            problems.Add(problem);
        }

        if (experiment.Data.Split is { } shares)
        {
            Empty("validation", shares.Validation, split.Validation.Length, dataset.Rows, problems);
            Empty("test", shares.Test, split.Test.Length, dataset.Rows, problems);
        }

        var classification = dataset.Task == DataTask.Classification;
        if (classification != (experiment.Loss.Kind == LossKind.CrossEntropy))
        {
            problems.Add(classification
                ? $"loss: mean-squared-error needs numbers as targets, but {dataset.TargetName} holds {dataset.ClassNames.Count} classes. Write loss: cross-entropy, or data.task: regression."
                : $"loss: cross-entropy needs classes as targets, but {dataset.TargetName} holds numbers. Write loss: mean-squared-error, or data.task: classification.");
        }

        var needed = classification ? dataset.ClassNames.Count : 1;
        if (experiment.Model.Layers is [.., LinearOptions last] && last.Outputs != needed)
        {
            problems.Add(classification
                ? $"model.layers: the last layer has {last.Outputs} outputs, {dataset.TargetName} has {needed} classes ({string.Join(", ", dataset.ClassNames.Take(12))}). Write linear: {needed} at the end."
                : $"model.layers: the last layer has {last.Outputs} outputs, a number as target needs 1. Write linear: 1 at the end.");
        }
    }

    /// <summary>A single row has no variance: batch normalisation of it is undefined.</summary>
    public static void FindInModel(TrainingPlan plan, ICollection<string> problems)
    {
        if (plan.Model.BatchNorms.Count == 0)
        {
            return;
        }

        var lastBatch = plan.Schedule.GlobalRows(plan.Schedule.StepsPerEpoch - 1);
        if (lastBatch == 1 || plan.BatchSize == 1)
        {
            problems.Add($"model.layers: batch-norm needs two rows at least, but a batch of one row occurs ({plan.Data.Training.Rows} training rows, training.batch-size {plan.BatchSize}). Choose another batch size, or write training.last-batch: drop.");
        }

        if (plan.Model.BatchNorms.Any(static slot => !slot.Sync) && LeafOfOneRow(plan.Schedule))
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
