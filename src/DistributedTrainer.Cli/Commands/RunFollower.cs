using System.Runtime.InteropServices;
using DistributedTrainer.Cli.Launching;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Commands;

/// <summary>Submits an experiment and shows it until it ends. The first Ctrl+C stops the run, the second the process.</summary>
internal static class RunFollower
{
    /// <summary>The same on a cluster of this machine that is there for this run only.</summary>
    public static async Task<int> FollowLocally(Submissions.Submit submission, ClusterOptions options, bool inProcess, bool plain, bool json)
    {
        using var view = RunViews.Create(plain, json);
        using var cluster = await LocalCluster.Start(options, inProcess, view.Notice);
        return await Follow(cluster.Host, submission, view, json);
    }

    public static async Task<int> Follow(NodeHost host, Submissions.Submit submission, IRunView view, bool json)
    {
        RunId? run = null;
        var interrupts = 0;
        void Interrupt(PosixSignalContext signal)
        {
            signal.Cancel = ++interrupts == 1 && run is not null;
            if (signal.Cancel)
            {
                view.Notice("Stopping; Ctrl+C once more stops at once.");
                host.Tell(new Submissions.Stop(run!.Value));
            }
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        await foreach (var message in host.Submit(submission, CancellationToken.None))
        {
            switch (message)
            {
                case Submissions.Accepted accepted:
                    run = accepted.Run;
                    view.Notice($"Run folder: {accepted.RunDirectory}");
                    break;
                case Submissions.View state:
                    view.Show(state);
                    break;
                case Submissions.Notice notice:
                    view.Notice(notice.Text);
                    break;
                case Submissions.Rejected rejected:
                    view.Dispose();
                    Problems.Print(rejected.Problems);
                    return ExitCodes.UsageWrong;
                case Submissions.Ended ended:
                    view.Dispose();
                    return Report(ended, json, stopped: interrupts > 0);
            }
        }

        Console.Error.WriteLine("This node was taken out of the cluster, and hears nothing more of the run. The run may go on: its folder shows it.");
        return ExitCodes.TrainingFailed;
    }

    private static int Report(Submissions.Ended ended, bool json, bool stopped)
    {
        if (ended.ResultJson is { } result)
        {
            if (json)
            {
                Console.Out.WriteLine(result);
            }
            else
            {
                Summary.Print(result, ended.RunDirectory);
            }
        }

        if (ended.Failure is not null)
        {
            Console.Error.WriteLine($"{(stopped ? "Ended by you" : "Training failed")}: {ended.Failure}");
            if (Directory.Exists(Path.Combine(ended.RunDirectory, "checkpoints")))
            {
                Console.Error.WriteLine($"Go on with: dtrain resume {ended.RunDirectory}");
            }
        }

        return ended.Succeeded ? ExitCodes.Done : ExitCodes.TrainingFailed;
    }
}
