using System.CommandLine;
using DistributedTrainer.Cli.Telemetry;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain resume</c>: goes on with a run from its newest whole checkpoint, with any number of nodes.</summary>
internal static class ResumeCommand
{
    public static Command Create()
    {
        var directory = new Argument<string>("RUN_DIR") { Description = "The run's folder." };
        var inProcess = new Option<bool>("--in-process") { Description = "Everything as threads of this one process." };
        var (shared, page, threads, tls) = (new ExperimentArguments(), new DashboardOptions(), new WorkersPerNodeOption(), new TlsOption());
        var logs = new LogSettings();
        var command = new Command(
            "resume",
            "Goes on with a run from its newest whole checkpoint. The result is that of a run that was never interrupted, also with other numbers of workers, servers and partitions. Example: dtrain resume runs/digits-20260101-120000 --set cluster.workers=4")
        {
            directory, inProcess, shared.Set, shared.Json, shared.Plain,
        };
        page.AddTo(command);
        threads.AddTo(command);
        tls.AddTo(command);
        logs.AddTo(command);
        command.SetAction(async (parsed, _) =>
        {
            var path = Path.GetFullPath(parsed.GetValue(directory)!);
            var file = Path.Combine(path, "experiment.yaml");
            if (!File.Exists(file))
            {
                Console.Error.WriteLine($"{path}: there is no run in it: experiment.yaml is missing. Name the folder that dtrain train has printed.");
                return ExitCodes.UsageWrong;
            }

            if (!threads.Read(parsed, out var perNode) || !tls.ReadLocal(parsed, out var certificates))
            {
                return ExitCodes.UsageWrong;
            }

            if (ExperimentArguments.Load(file, parsed.GetValue(shared.Set)!, ExperimentArguments.Machine(parsed.GetValue(inProcess)), perNode) is not var (experiment, baseDirectory))
            {
                return ExitCodes.UsageWrong;
            }

            var submission = ExperimentArguments.Submission(experiment, baseDirectory, path, endCluster: true, resume: true);
            return await RunFollower.FollowLocally(submission, experiment.Cluster, parsed.GetValue(inProcess), shared.Views(parsed), page.Of(parsed), certificates, perNode, logs.Format(parsed));
        });
        return command;
    }
}
