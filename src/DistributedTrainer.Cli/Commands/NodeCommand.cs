using System.CommandLine;
using System.Runtime.InteropServices;
using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain node</c>: one process of a cluster.</summary>
internal static class NodeCommand
{
    private static readonly string[] KnownRoles = ["coordinator", "server", "worker"];

    public static Command Create()
    {
        var roles = new Option<string>("--roles") { Description = "Any of coordinator, server, worker, with commas between them.", Required = true, HelpName = "a,b" };
        var join = new Option<string?>("--join") { Description = "A node of the cluster to join. Without: a new cluster begins here.", HelpName = "HOST:PORT" };
        var address = new Option<string>("--host") { Description = "The address that other nodes reach this one under.", DefaultValueFactory = static _ => "127.0.0.1" };
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
                    Host = parsed.GetValue(address)!,
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
        using var interrupt = launched ? PosixSignalRegistration.Create(PosixSignal.SIGINT, static signal => signal.Cancel = true) : null;
        if (launched)
        {
            // The launcher holds the other end of standard input: its end of file is the launcher's death, however it died.
            new Thread(static () =>
            {
                while (Console.In.Read() >= 0)
                {
                }

                Environment.Exit(ExitCodes.TrainingFailed);
            })
            { IsBackground = true, Name = "launcher watch" }.Start();
        }

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

        Console.WriteLine($"node {host.Address} roles {string.Join(',', options.Roles)}");
        var reason = await host.Completion;
        Console.WriteLine($"node {host.Address} ends: {reason}");
        return ExitCodes.Done;
    }
}
