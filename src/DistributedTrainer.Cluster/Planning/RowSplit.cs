using DistributedTrainer.Data;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>Which rows an experiment trains on, validates with and tests with.</summary>
internal static class RowSplit
{
    /// <summary>The split of an experiment; null: it has none, and a problem says why.</summary>
    public static DataSplit? Of(Experiment experiment, Dataset dataset, ICollection<string> problems)
    {
        var split = Whole(experiment, dataset, problems);
        return split is null || experiment.Data.TrainingShare == 1
            ? split
            : split.WithTrainingShare(dataset, experiment.Data.TrainingShare, experiment.Data.Split?.Stratify ?? true, experiment.Seed);
    }

    private static DataSplit? Whole(Experiment experiment, Dataset dataset, ICollection<string> problems)
    {
        var (data, shares) = (experiment.Data, experiment.Data.Split);
        if (data.Folds is not { } folds)
        {
            return shares is null ? DataSplit.None(dataset) : DataSplit.Draw(dataset, shares.Validation, shares.Test, shares.Stratify, experiment.Seed);
        }

        if (data.Fold is not { } fold)
        {
            problems.Add($"data.folds: one training run cannot hold out {folds} parts in turn. Run dtrain tune for cross-validation, or choose one part with data.fold: 1.");
            return null;
        }

        try
        {
            return DataSplit.Folds(dataset, folds, shares?.Stratify ?? true, experiment.Seed, shares?.Test ?? 0)[fold - 1];
        }
        catch (ArgumentException problem)
        {
            problems.Add($"data.folds: {problem.Message}");
            return null;
        }
    }
}
