using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cli.Launching;
using DistributedTrainer.Cli.Telemetry;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Commands;

/// <summary>Submits an experiment and shows it until it ends. The first Ctrl+C stops the run, the second the process.</summary>
internal static class RunFollower
{
    /// <summary>The same on a cluster of this machine that is there for this run only.</summary>
    public static async Task<int> FollowLocally(Submissions.Submit submission, ClusterOptions options, bool inProcess, ViewOptions views, DashboardArguments? page = null, NodeCertificates? certificates = null, int perNode = 1, LogFormat log = LogFormat.Text)
    {
        // First: a port that is in use must not cost a cluster.
        var dashboard = page is null ? null : await DashboardCommand.Start(null, page.Host, page.Port);
        if (page is not null && dashboard is null)
        {
            return ExitCodes.UsageWrong;
        }

        await using (dashboard)
        {
            int code;
            using (var view = views.Create())
            {
                if (dashboard is not null)
                {
                    view.Notice($"Dashboard: {dashboard.Address}");
                    if (dashboard.IsOpenToOthers)
                    {
                        view.Notice(DashboardCommand.OpenToOthers);
                    }
                }

                using var cluster = await LocalCluster.Start(options, inProcess, view.Notice, certificates, perNode, log == LogFormat.Json && !views.DrawsOnErrors ? new JsonLines(Console.OpenStandardError()) : null);
                code = await Follow(cluster.Host, submission, view, views.Json, began: dashboard is null ? null : dashboard.Show);
            }

            if (dashboard is not null && !Console.IsOutputRedirected && !views.Json)
            {
                // Somebody is looking.
                Console.WriteLine($"The dashboard stays at {dashboard.Address} until Ctrl+C; later: dtrain dashboard.");
                await DashboardCommand.Interrupted();
            }

            return code;
        }
    }

    /// <param name="first">Where it is submitted.</param>
    /// <param name="submission">What.</param>
    /// <param name="view">Shows it.</param>
    /// <param name="json">Prints the result as JSON.</param>
    /// <param name="comesBack">Whether it looks for the cluster again when it is taken out of it.</param>
    /// <param name="began">Called with the run's folder.</param>
    /// <param name="detach">Returns when the run has begun.</param>
    public static async Task<int> Follow(NodeHost first, Submissions.Submit submission, IRunView view, bool json, bool comesBack = false, Action<string>? began = null, bool detach = false)
    {
        var (host, watch) = (first, (Submissions.Watch?)null);
        var interrupts = 0;
        using var silence = new SilenceWatch(TimeProvider.System, silent =>
        {
            if (watch is not null)
            {
                view.Notice($"Nothing has been heard of the coordinator for {silent.TotalSeconds:0} s. The run may go on without it; it is waited for here until Ctrl+C.");
            }
        });
        void Interrupt(PosixSignalContext signal)
        {
            // Where nobody hears it there is nothing to wait for.
            signal.Cancel = ++interrupts == 1 && watch is not null && !silence.IsSilent;
            if (signal.Cancel)
            {
                view.Notice("Stopping; Ctrl+C once more stops at once.");
                host.Tell(new Submissions.Stop(watch!.Run));
            }
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        try
        {
            var messages = host.Submit(submission, CancellationToken.None);
            while (true)
            {
                await foreach (var message in messages)
                {
                    silence.Heard();
                    switch (message)
                    {
                        case Submissions.Accepted accepted:
                            watch = new Submissions.Watch(accepted.Run, accepted.RunDirectory);
                            view.Notice($"Run folder: {accepted.RunDirectory}");
                            began?.Invoke(accepted.RunDirectory);
                            if (detach)
                            {
                                return ExitCodes.Done;
                            }

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

                await host.Completion;
                if (!comesBack || watch is null || host.Return is not { } again)
                {
                    Console.Error.WriteLine("This node was taken out of the cluster, and hears nothing more of the run. The run may go on: its folder shows it.");
                    return ExitCodes.TrainingFailed;
                }

                view.Notice("This node was taken out of the cluster; it looks for it again.");
                host = await NodeHost.StartAsync(again, null, CancellationToken.None);
                messages = host.Follow(watch, CancellationToken.None);
            }
        }
        finally
        {
            if (host != first)
            {
                await host.DisposeAsync();
            }
        }
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

        // After the result: nobody waits for it. The folder of a cluster elsewhere may not be here.
        if (File.Exists(Path.Combine(ended.RunDirectory, "experiment.yaml")) && ReportCommand.WriteQuickly(ended.RunDirectory) is { } report && !json)
        {
            Console.WriteLine($"Report: {report}");
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
