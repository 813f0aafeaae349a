using System.CommandLine;
using System.Runtime.InteropServices;
using DistributedTrainer.Dashboard.Mirroring;
using DistributedTrainer.Dashboard.Serving;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain dashboard</c>: a web page of runs, while they go on or afterwards.</summary>
internal static class DashboardCommand
{
    /// <summary>Said where it is so.</summary>
    public const string OpenToOthers = "Anybody who reaches this port can read the runs. Give it a --token (or DTRAIN_DASHBOARD_TOKEN), or leave --host at 127.0.0.1.";

    public static Command Create()
    {
        var path = new Argument<string>("RUN_DIR") { Description = "The folder of a run, or one that holds folders of runs. Default: DTRAIN_RUNS, or runs.", DefaultValueFactory = static _ => EnvironmentSettings.OfThisProcess["DTRAIN_RUNS"] ?? "runs" };
        var host = new Option<string>("--host") { Description = "The address to listen on. 0.0.0.0: all of this machine's; anyone who reaches it can then read the runs, unless there is a token.", DefaultValueFactory = static _ => "127.0.0.1", HelpName = "ADDRESS" };
        var port = new Option<int>("--port") { Description = "0: the system chooses.", DefaultValueFactory = static _ => DashboardServer.DefaultPort };
        var token = new Option<string?>("--token") { Description = "Only who shows it may read: the page's address with ?token=TOKEN once, or the header \"Authorization: Bearer TOKEN\". Better in DTRAIN_DASHBOARD_TOKEN, which no list of processes shows.", HelpName = "TOKEN" };
        var join = new Option<string?>("--join") { Description = "A node of a running cluster: shows the runs whose folders are with its coordinator, instead of a folder of this machine.", HelpName = "HOST:PORT" };
        var visit = new ClusterVisit("--join", "--node-host");
        var command = new Command("dashboard", "Shows runs as a web page, while they go on or afterwards: curves, cluster, model, errors. It only reads. Example: dtrain dashboard runs. Of a cluster elsewhere: dtrain dashboard --join 10.0.0.1:4053")
        {
            path, host, port, token, join,
        };
        visit.AddTo(command);
        command.SetAction(async (parsed, _) =>
        {
            if (parsed.GetValue(join) is { } node)
            {
                if (parsed.GetResult(path) is { Implicit: false })
                {
                    Console.Error.WriteLine("RUN_DIR is a folder of this machine, and --join names a cluster, whose coordinator has the folders. Remove one of them.");
                    return ExitCodes.UsageWrong;
                }

                return await ShowCluster(parsed, node, visit, mirror => Start(null, parsed.GetValue(host)!, parsed.GetValue(port), parsed.GetValue(token), mirror));
            }

            if (await Start(parsed.GetValue(path), parsed.GetValue(host)!, parsed.GetValue(port), parsed.GetValue(token)) is not { } server)
            {
                return ExitCodes.UsageWrong;
            }

            await using (server)
            {
                Tell(server);
                await Interrupted();
            }

            return ExitCodes.Done;
        });
        return command;
    }

    /// <summary>Starts it; null: it cannot be, and standard error says why.</summary>
    /// <param name="path">The folder; null: runs are added.</param>
    /// <param name="host">Where to listen.</param>
    /// <param name="port">0: the system chooses.</param>
    /// <param name="token">What whoever reads has to show; null: that of the environment, if any.</param>
    /// <param name="mirror">Of a cluster elsewhere, in the folder's place; null: of this machine.</param>
    public static async Task<DashboardServer?> Start(string? path, string host, int port, string? token = null, RunMirror? mirror = null)
    {
        if (port is < 0 or > 65535)
        {
            Console.Error.WriteLine($"--port: {port} is no port. Write a number from 0 to 65535; 0: the system chooses.");
            return null;
        }

        if (token is not null && !DashboardServer.IsToken(token))
        {
            Console.Error.WriteLine("--token: it has to be of 16 to 256 letters, digits, or - _ . ~. Make one with: openssl rand -hex 16");
            return null;
        }

        try
        {
            token ??= EnvironmentSettings.OfThisProcess["DTRAIN_DASHBOARD_TOKEN"];
            return await (mirror is null ? DashboardServer.StartAsync(path, host, port, token) : DashboardServer.StartAsync(mirror, host, port, token));
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine(problem.Message);
            return null;
        }
    }

    /// <summary>Until Ctrl+C or SIGTERM.</summary>
    public static async Task Interrupted()
    {
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void End(PosixSignalContext signal)
        {
            signal.Cancel = true;
            end.TrySetResult();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        await end.Task;
    }

    /// <summary>Shows what the coordinator of a running cluster has, until Ctrl+C or SIGTERM.</summary>
    private static async Task<int> ShowCluster(ParseResult parsed, string join, ClusterVisit visit, Func<RunMirror, Task<DashboardServer?>> start)
    {
        if (!visit.Read(parsed, out var certificates))
        {
            return ExitCodes.UsageWrong;
        }

        using var stop = new CancellationTokenSource();
        void Stop(PosixSignalContext signal) => (signal.Cancel, _) = (true, stop.CancelAsync());
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var mirror = new RunMirror(join);

        // First: a port that is in use must not cost a visit.
        if (await start(mirror) is not { } server)
        {
            return ExitCodes.UsageWrong;
        }

        await using (server)
        {
            try
            {
                var (host, exitCode) = await visit.Join(parsed, join, certificates, "Give --join the HOST:PORT that a node printed when it started", stop.Token);
                if (host is null)
                {
                    return exitCode;
                }

                await using var files = new ClusterFiles(host, join);
                Tell(server);
                await mirror.FollowAsync(files.AskAsync, stop.Token);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // The end.
            }
            catch (ArgumentException problem)
            {
                Console.Error.WriteLine($"This node was taken out of the cluster, and cannot come back. {problem.Message}");
                return ExitCodes.TrainingFailed;
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
            {
                Console.Error.WriteLine($"{mirror.Root}: the files of the runs cannot be kept here while they are shown: {problem.Message} Make room, or set TMPDIR to another folder.");
                return ExitCodes.TrainingFailed;
            }
        }

        return ExitCodes.Done;
    }

    private static void Tell(DashboardServer server)
    {
        Console.WriteLine($"Dashboard: {server.Address}");
        if (server.IsOpenToOthers)
        {
            Console.WriteLine(OpenToOthers);
        }

        Console.WriteLine("Ctrl+C ends it.");
    }
}
