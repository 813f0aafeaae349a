using System.CommandLine;
using System.Runtime.InteropServices;
using DistributedTrainer.Cli.Telemetry;
using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain node</c>: one process of a cluster.</summary>
internal static class NodeCommand
{
    // Time to end in good order once the launcher is gone.
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(5);

    public static Command Create()
    {
        var (settings, logs) = (new NodeSettings(), new LogSettings());
        var launched = new Option<bool>("--launched") { Hidden = true };
        var command = new Command("node", "Runs one node of a cluster. Example: dtrain node --roles worker --join 10.0.0.1:4053");
        settings.AddTo(command);
        logs.AddTo(command);
        command.Options.Add(launched);
        command.SetAction(async (parsed, _) =>
            settings.Of(parsed) is { } options ? await Run(options, parsed.GetValue(launched), settings.HealthPort(parsed), settings.MetricsPort(parsed), logs.Format(parsed)) : ExitCodes.UsageWrong);
        return command;
    }

    private static async Task<int> Run(NodeOptions options, bool launched, int? healthPort, int? metricsPort, LogFormat format)
    {
        var stop = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);

        // A launched node shares its launcher's terminal and leaves Ctrl+C to it.
        using var interrupt = OnSignal(PosixSignal.SIGINT, () =>
        {
            if (!launched)
            {
                stop.TrySetResult("interrupted");
            }
        });
        using var terminate = OnSignal(PosixSignal.SIGTERM, () => stop.TrySetResult("terminated"));
        NodeHost? current = null;
        HealthEndpoint? health;
        Exports exports;
        try
        {
            exports = Exports.Start(LogSettings.Level, [LogSettings.Place(format)], metricsPort, string.Join(',', options.Roles));
            health = healthPort is { } port ? new HealthEndpoint(port, () => Volatile.Read(ref current), () => stop.Task.IsCompleted) : null;
        }
        catch (ArgumentException problem)
        {
            Console.Error.WriteLine(problem.Message);
            return ExitCodes.UsageWrong;
        }

        using var closed = health;
        using var sent = exports;
        options = options with { Logging = exports.Logging };
        while (true)
        {
            NodeHost host;
            try
            {
                host = await NodeHost.StartAsync(options, null, CancellationToken.None);
            }
            catch (ArgumentException problem)
            {
                Console.Error.WriteLine(problem.Message);
                return ExitCodes.UsageWrong;
            }

            Volatile.Write(ref current, host);
            if (launched)
            {
                EndWithLauncher(stop, host);
            }

            host.Say($"node {host.Address} roles {string.Join(',', options.Roles)}");
            if (await Task.WhenAny(stop.Task, host.Completion) == stop.Task)
            {
                if (!launched)
                {
                    await host.SettleAsync();
                }

                host.Stop(await stop.Task);
            }

            var reason = await host.Completion;
            Volatile.Write(ref current, null);
            host.Say($"node {host.Address} ends: {reason}");
            if (launched)
            {
                // With a launcher the cluster itself ends, or the launcher starts the node again.
                return ExitCodes.Done;
            }

            // Leaves the cluster in good order.
            await host.DisposeAsync();
            if (stop.Task.IsCompleted || host.Return is not { } again)
            {
                return ExitCodes.Done;
            }

            // The others take it back under its address once they reach it, but not the member that it was.
            options = again;
            host.Say($"It comes back, and looks for the cluster at {options.Join}.");
        }
    }

    /// <summary>The launcher holds the other end of standard input: its end of file is the launcher's death, however it died.</summary>
    private static void EndWithLauncher(TaskCompletionSource<string> stop, NodeHost host) =>
        new Thread(() =>
        {
            while (Console.In.Read() >= 0)
            {
            }

            stop.TrySetResult("the launcher ended");
            if (!host.Completion.Wait(EndLimit))
            {
                Environment.Exit(ExitCodes.TrainingFailed);
            }
        })
        { IsBackground = true, Name = "launcher watch" }.Start();

    private static PosixSignalRegistration OnSignal(PosixSignal signal, Action act) =>
        PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            act();
        });
}
