using DistributedTrainer.Cli.Commands;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Tuning;

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
