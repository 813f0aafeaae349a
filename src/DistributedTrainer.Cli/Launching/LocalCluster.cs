using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Launching;

/// <summary>A cluster on this machine, whose coordinator is in this process.</summary>
internal sealed class LocalCluster : IDisposable
{
    private readonly Launcher? _launcher;

    private LocalCluster(NodeHost host, Launcher? launcher) => (Host, _launcher) = (host, launcher);

    /// <summary>This process's node.</summary>
    public NodeHost Host { get; }

    /// <summary>Starts it; returns at once, and a run that is submitted waits for the nodes.</summary>
    /// <param name="options">How many nodes.</param>
    /// <param name="inProcess">Everything as threads of this process, or a process for each server and worker.</param>
    /// <param name="notice">Told of processes that die.</param>
    /// <param name="certificates">Of all its nodes, where it is closed to others of the machine; null: it is open.</param>
    /// <param name="perNode">Threads of each worker.</param>
    public static async Task<LocalCluster> Start(ClusterOptions options, bool inProcess, Action<string> notice, NodeCertificates? certificates = null, int perNode = 1)
    {
        if (inProcess)
        {
            return new LocalCluster(await Start(new NodeOptions { Roles = ["coordinator", "server", "worker"], Workers = options.Workers, Threads = perNode, Certificates = certificates }), null);
        }

        var host = await Start(new NodeOptions { Roles = ["coordinator"], Certificates = certificates });
        var launcher = new Launcher(new ChildProcesses(), TimeProvider.System, options.MaxRestarts, host.Tell, notice, certificates?.Directory, perNode);
        for (var i = 0; i < options.Servers; i++)
        {
            launcher.Start("server", host.Address);
        }

        for (var i = 0; i < options.Workers; i++)
        {
            launcher.Start("worker", host.Address);
        }

        return new LocalCluster(host, launcher);
    }

    /// <summary>
    /// Ends the processes. This process's node is not disposed of: the cluster ends with the process, and leaving it in
    /// good order would wait for members that are dead.
    /// </summary>
    public void Dispose() => _launcher?.Dispose();

    /// <summary>What the actor system warns of goes into the run's log.</summary>
    private static async Task<NodeHost> Start(NodeOptions options)
    {
        NodeHost? host = null;
        return host = await NodeHost.StartAsync(options, text => host?.Tell(new Submissions.LogLine("launcher", text)), CancellationToken.None);
    }
}
