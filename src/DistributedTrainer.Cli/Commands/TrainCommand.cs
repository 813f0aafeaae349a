using System.CommandLine;
using DistributedTrainer.Cli.Telemetry;

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
        var (shared, page, threads, tls) = (new ExperimentArguments(), new DashboardOptions(), new WorkersPerNodeOption(), new TlsOption());
        var logs = new LogSettings();
        var command = new Command(
            "train", "Starts a cluster of processes on this machine and trains. Example: dtrain train digits.yaml --set cluster.workers=4")
        {
            experiment,
            inProcess,
        };
        shared.AddTo(command);
        page.AddTo(command);
        threads.AddTo(command);
        tls.AddTo(command);
        logs.AddTo(command);
        command.SetAction(async (parsed, _) =>
        {
            if (!threads.Read(parsed, out var perNode) || !tls.ReadLocal(parsed, out var certificates))
            {
                return ExitCodes.UsageWrong;
            }

            // A reader that is wrong about the experiment must not cost a cluster: checked before anything starts.
            if (ExperimentArguments.Load(parsed.GetValue(experiment), parsed.GetValue(shared.Set)!, ExperimentArguments.Machine(parsed.GetValue(inProcess)), perNode) is not var (loaded, baseDirectory))
            {
                return ExitCodes.UsageWrong;
            }

            var submission = ExperimentArguments.Submission(loaded, baseDirectory, parsed.GetValue(shared.RunDirectory), endCluster: true);
            return await RunFollower.FollowLocally(submission, loaded.Cluster, parsed.GetValue(inProcess), shared.Views(parsed), page.Of(parsed), certificates, perNode, logs.Format(parsed));
        });
        return command;
    }
}
