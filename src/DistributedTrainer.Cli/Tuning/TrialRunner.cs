using DistributedTrainer.Cli.Commands;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>How a run ended.</summary>
/// <param name="ResultJson">The text of result.json; null: there is none.</param>
/// <param name="Failure">Why not; null: it went well.</param>
internal sealed record RunOutcome(string? ResultJson, string? Failure);

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

/// <summary>Ordinary runs in a cluster that is there for this search, one after the other.</summary>
internal sealed class TrialRunner(NodeHost host, string baseDirectory, Action<string> notice) : ITrialRunner
{
    public async Task<RunOutcome> Run(RungRun due, string runDirectory, CancellationToken cancel)
    {
        var submission = ExperimentArguments.Submission(due.Experiment, baseDirectory, runDirectory, endCluster: false, TuneFolder.HasBegun(due.Run, runDirectory));
        await foreach (var message in host.Submit(submission, cancel))
        {
            switch (message)
            {
                case Submissions.Notice said:
                    notice(due.Said(said.Text));
                    break;
                case Submissions.Rejected rejected:
                    return new RunOutcome(null, string.Join(' ', rejected.Problems));
                case Submissions.Ended ended:
                    return Outcome(ended);
            }
        }

        return new RunOutcome(null, "the cluster said nothing of the run's end");
    }

    /// <summary>How a run ended that a coordinator says is over. How to go on with it is not for a trial; it is in its log.</summary>
    internal static RunOutcome Outcome(Submissions.Ended ended) =>
        new(ended.ResultJson, Texts.FirstSentence(ended.Failure) ?? (ended.Succeeded ? null : "the run ended without a result"));
}
