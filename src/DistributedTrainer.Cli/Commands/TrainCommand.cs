using System.CommandLine;
using DistributedTrainer.Cli.Launching;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain train</c>: a cluster of processes on this machine, for one run.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        var experiment = new Argument<string?>("EXPERIMENT")
        {
            Description = "The experiment file. Without one: the embedded digits experiment.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var inProcess = new Option<bool>("--in-process") { Description = "Everything as threads of this one process." };
        var shared = new ExperimentArguments();
        var command = new Command(
            "train", "Starts a cluster of processes on this machine and trains. Example: dtrain train digits.yaml --set cluster.workers=4")
        {
            experiment,
            inProcess,
        };
        shared.AddTo(command);
        command.SetAction(async (parsed, _) =>
        {
            // A reader that is wrong about the experiment must not cost a cluster: checked before anything starts.
            if (ExperimentArguments.Load(parsed.GetValue(experiment), parsed.GetValue(shared.Set)!) is not var (loaded, baseDirectory))
            {
                return ExitCodes.UsageWrong;
            }

            var json = parsed.GetValue(shared.Json);
            var submission = ExperimentArguments.Submission(loaded, baseDirectory, parsed.GetValue(shared.RunDirectory), endCluster: true);
            using var view = RunViews.Create(parsed.GetValue(shared.Plain), json);
            return parsed.GetValue(inProcess)
                ? await Here(loaded, submission, view, json)
                : await Processes(loaded, submission, view, json);
        });
        return command;
    }

    private static async Task<int> Here(Experiment experiment, Submissions.Submit submission, IRunView view, bool json)
    {
        var host = await Start(new NodeOptions { Roles = ["coordinator", "server", "worker"], Workers = experiment.Cluster.Workers });
        return await RunFollower.Follow(host, submission, view, json);
    }

    private static async Task<int> Processes(Experiment experiment, Submissions.Submit submission, IRunView view, bool json)
    {
        var host = await Start(new NodeOptions { Roles = ["coordinator"] });
        using var launcher = new Launcher(new ChildProcesses(), TimeProvider.System, experiment.Cluster.MaxRestarts, host.Tell, view.Notice);
        for (var i = 0; i < experiment.Cluster.Servers; i++)
        {
            launcher.Start("server", host.Address);
        }

        for (var i = 0; i < experiment.Cluster.Workers; i++)
        {
            launcher.Start("worker", host.Address);
        }

        return await RunFollower.Follow(host, submission, view, json);
    }

    /// <summary>
    /// Starts this process's node; what the actor system warns of goes into the run's log. It is not disposed of: the
    /// cluster ends with this process, and leaving it in good order would wait for members that are dead.
    /// </summary>
    private static async Task<NodeHost> Start(NodeOptions options)
    {
        NodeHost? host = null;
        return host = await NodeHost.StartAsync(options, text => host?.Tell(new Submissions.LogLine("launcher", text)), CancellationToken.None);
    }
}
