namespace DistributedTrainer.Cli.Tuning;

/// <summary>Runs trials, one at a time.</summary>
internal interface ITrialRunner
{
    /// <summary>Runs an experiment to its end, or to where it pauses; one that was interrupted in this folder, or paused, goes on.</summary>
    /// <param name="due">What.</param>
    /// <param name="runDirectory">Its folder, within that of the search.</param>
    /// <param name="cancel">The user does not want to wait for it.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="SearchStoppedException">No trial can be run.</exception>
    Task<RunOutcome> Run(RungRun due, string runDirectory, CancellationToken cancel);
}
