using System.CommandLine;
using System.Runtime.InteropServices;
using DistributedTrainer.Dashboard.Serving;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain dashboard</c>: a web page of runs, while they go on or afterwards.</summary>
internal static class DashboardCommand
{
    public static Command Create()
    {
        var path = new Argument<string>("RUN_DIR") { Description = "The folder of a run, or one that holds folders of runs. Default: DTRAIN_RUNS, or runs.", DefaultValueFactory = static _ => EnvironmentSettings.OfThisProcess["DTRAIN_RUNS"] ?? "runs" };
        var host = new Option<string>("--host") { Description = "The address to listen on. 0.0.0.0: all of this machine's; anyone who reaches it can then read the runs.", DefaultValueFactory = static _ => "127.0.0.1", HelpName = "ADDRESS" };
        var port = new Option<int>("--port") { Description = "0: the system chooses.", DefaultValueFactory = static _ => DashboardServer.DefaultPort };
        var command = new Command("dashboard", "Shows runs as a web page, while they go on or afterwards: curves, cluster, model, errors. It only reads. Example: dtrain dashboard runs")
        {
            path, host, port,
        };
        command.SetAction(async (parsed, _) =>
        {
            if (await Start(parsed.GetValue(path), parsed.GetValue(host)!, parsed.GetValue(port)) is not { } server)
            {
                return ExitCodes.UsageWrong;
            }

            await using (server)
            {
                Console.WriteLine($"Dashboard: {server.Address}");
                Console.WriteLine("Ctrl+C ends it.");
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
    public static async Task<DashboardServer?> Start(string? path, string host, int port)
    {
        if (port is < 0 or > 65535)
        {
            Console.Error.WriteLine($"--port: {port} is no port. Write a number from 0 to 65535; 0: the system chooses.");
            return null;
        }

        try
        {
            return await DashboardServer.StartAsync(path, host, port);
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
}
