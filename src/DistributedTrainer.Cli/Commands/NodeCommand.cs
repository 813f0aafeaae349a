using System.CommandLine;
using System.Runtime.InteropServices;
using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain node</c>: one process of a cluster.</summary>
internal static class NodeCommand
{
    private static readonly string[] KnownRoles = ["coordinator", "server", "worker"];

    // Time to end in good order once the launcher is gone.
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(5);

    public static Command Create()
    {
        var roles = new Option<string>("--roles") { Description = "Any of coordinator, server, worker, with commas between them.", Required = true, HelpName = "a,b" };
        var join = new Option<string?>("--join") { Description = "Nodes of the cluster to join, with commas between them. Without, or with its own address among them when no other answers: a new cluster begins here.", HelpName = "HOST:PORT,…" };
        var address = new Option<string?>("--host") { Description = "The address that other nodes reach this one under. Default: the one of this machine that leads to --join; 127.0.0.1 without.", HelpName = "ADDRESS" };
        var port = new Option<int>("--port") { Description = "Port of the control plane. 0: the system chooses." };
        var workers = new Option<int>("--workers") { Description = "Workers of this node, with the worker role.", DefaultValueFactory = static _ => 1 };
        var config = new Option<string?>("--config") { Description = "A HOCON file whose settings override those built in (cluster-config/node.conf).", HelpName = "FILE" };
        var launched = new Option<bool>("--launched") { Hidden = true };
        var command = new Command("node", "Runs one node of a cluster. Example: dtrain node --roles worker --join 10.0.0.1:4053")
        {
            roles, join, address, port, workers, config, launched,
        };
        command.SetAction(async (parsed, cancel) =>
        {
            var given = parsed.GetValue(roles)!.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            var unknown = given.Except(KnownRoles).ToArray();
            if (unknown.Length > 0 || given.Length == 0)
            {
                Console.Error.WriteLine($"--roles: '{string.Join(',', unknown)}' is no role. Write any of {string.Join(", ", KnownRoles)}.");
                return ExitCodes.UsageWrong;
            }

            return await Run(
                new NodeOptions
                {
                    Roles = given,
                    Join = parsed.GetValue(join),
                    Host = parsed.GetValue(address) ?? LocalAddress.Towards(parsed.GetValue(join)),
                    Port = parsed.GetValue(port),
                    Workers = parsed.GetValue(workers),
                    ConfigFile = parsed.GetValue(config),
                },
                parsed.GetValue(launched));
        });
        return command;
    }

    private static async Task<int> Run(NodeOptions options, bool launched)
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
        while (true)
        {
            NodeHost host;
            try
            {
                host = await NodeHost.StartAsync(options, Console.Error.WriteLine, CancellationToken.None);
            }
            catch (ArgumentException problem)
            {
                Console.Error.WriteLine(problem.Message);
                return ExitCodes.UsageWrong;
            }

            if (launched)
            {
                EndWithLauncher(stop, host);
            }

            Console.WriteLine($"node {host.Address} roles {string.Join(',', options.Roles)}");
            if (await Task.WhenAny(stop.Task, host.Completion) == stop.Task)
            {
                host.Stop(await stop.Task);
            }

            var reason = await host.Completion;
            Console.WriteLine($"node {host.Address} ends: {reason}");
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
            Console.WriteLine($"It comes back, and looks for the cluster at {options.Join}.");
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
