using DistributedTrainer.Cli.Commands;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>How a run ended.</summary>
/// <param name="ResultJson">The text of result.json; null: there is none.</param>
/// <param name="Failure">Why not; null: it went well.</param>
internal sealed record RunOutcome(string? ResultJson, string? Failure);

/// <summary>Ordinary runs in a cluster, one after the other.</summary>
internal sealed class TrialRunner(NodeHost host, string baseDirectory, Action<string> notice)
{
    /// <summary>Runs an experiment to its end; one that was interrupted in this folder goes on.</summary>
    /// <exception cref="OperationCanceledException">The user does not want to wait for it.</exception>
    public async Task<RunOutcome> Run(Experiment experiment, string runDirectory, CancellationToken cancel)
    {
        var begun = Path.Combine(runDirectory, "experiment.yaml");
        var resume = File.Exists(begun) && await File.ReadAllTextAsync(begun, cancel) == ExperimentWriter.Write(experiment);
        await foreach (var message in host.Submit(ExperimentArguments.Submission(experiment, baseDirectory, runDirectory, endCluster: false, resume), cancel))
        {
            switch (message)
            {
                case Submissions.Notice said:
                    notice(said.Text);
                    break;
                case Submissions.Rejected rejected:
                    return new RunOutcome(null, string.Join(' ', rejected.Problems));
                case Submissions.Ended ended:
                    // How to go on with it is not for a trial; it is in its log.
                    return new RunOutcome(ended.ResultJson, Texts.FirstSentence(ended.Failure) ?? (ended.Succeeded ? null : "the run ended without a result"));
            }
        }

        return new RunOutcome(null, "the cluster said nothing of the run's end");
    }
}
