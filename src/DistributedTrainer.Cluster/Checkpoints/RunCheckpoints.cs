using DistributedTrainer.Cluster.Coordination;

namespace DistributedTrainer.Cluster.Checkpoints;

/// <summary>What a run's folder can go on from.</summary>
public static class RunCheckpoints
{
    /// <summary>Whether there is a run in the folder that was interrupted, by whatever cause.</summary>
    /// <param name="runDirectory">The run's folder, which need not be there.</param>
    public static bool CanGoOn(string runDirectory) => File.Exists(Path.Combine(runDirectory, RunFolder.ExperimentName)) && !RunFolder.IsDone(runDirectory);

    /// <summary>The result.json of a run that is done; null: it is not.</summary>
    /// <param name="runDirectory">The run's folder, which need not be there.</param>
    public static string? ResultOf(string runDirectory) => RunFolder.IsDone(runDirectory) ? File.ReadAllText(Path.Combine(runDirectory, "result.json")) : null;

    /// <summary>The step of its newest whole checkpoint; null: there is none.</summary>
    /// <param name="runDirectory">The run's folder.</param>
    public static long? NewestStep(string runDirectory) => new CheckpointFolder(runDirectory, keep: 1).Newest([])?.Step;
}
