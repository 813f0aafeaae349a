namespace DistributedTrainer;

/// <summary>An experiment or its data is not possible: nothing was trained.</summary>
/// <param name="problems">All that is wrong, each with the key, the value and the remedy.</param>
public sealed class InvalidExperimentException(IReadOnlyList<string> problems) : Exception(string.Join(Environment.NewLine, problems))
{
    /// <summary>All that is wrong.</summary>
    public IReadOnlyList<string> Problems { get; } = problems;
}

/// <summary>A run ended without its result.</summary>
/// <param name="message">Why.</param>
/// <param name="runDirectory">Its folder; null: it had none yet.</param>
/// <param name="cause">What led to it, where it is an exception.</param>
public sealed class TrainingFailedException(string message, string? runDirectory = null, Exception? cause = null) : Exception(message, cause)
{
    /// <summary>The run's folder, which <see cref="Trainer.Resume(string, string[])"/> takes where a checkpoint is in it; null: it had none yet.</summary>
    public string? RunDirectory { get; } = runDirectory;
}

/// <summary>A run was cancelled, and has written a checkpoint: it can go on.</summary>
/// <param name="message">At which step.</param>
/// <param name="runDirectory">Its folder, which <see cref="Trainer.Resume(string, string[])"/> takes.</param>
/// <param name="token">Who cancelled it.</param>
public sealed class TrainingCanceledException(string message, string runDirectory, CancellationToken token) : OperationCanceledException(message, token)
{
    /// <summary>The run's folder, which <see cref="Trainer.Resume(string, string[])"/> takes.</summary>
    public string RunDirectory { get; } = runDirectory;
}
