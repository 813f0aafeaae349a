using DistributedTrainer.Channels;
using DistributedTrainer.Cli.Telemetry;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Telemetry;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Launching;

/// <summary>A cluster on this machine, whose coordinator is in this process.</summary>
internal sealed class LocalCluster : IDisposable
{
    private readonly Launcher? _launcher;

    private readonly Exports _exports;

    private LocalCluster((NodeHost Host, Exports Exports) node, Launcher? launcher) => ((Host, _exports), _launcher) = (node, launcher);

    /// <summary>This process's node.</summary>
    public NodeHost Host { get; }

    /// <summary>Starts it; returns at once, and a run that is submitted waits for the nodes.</summary>
    /// <param name="options">How many nodes.</param>
    /// <param name="inProcess">Everything as threads of this process, or a process for each server and worker.</param>
    /// <param name="notice">Told of processes that die.</param>
    /// <param name="certificates">Of all its nodes, where it is closed to others of the machine; null: it is open.</param>
    /// <param name="perNode">Threads of each worker.</param>
    /// <param name="lines">Where the events of all nodes go; null: into the run's log only.</param>
    public static async Task<LocalCluster> Start(ClusterOptions options, bool inProcess, Action<string> notice, NodeCertificates? certificates = null, int perNode = 1, JsonLines? lines = null)
    {
        if (inProcess)
        {
            return new LocalCluster(await Start(new NodeOptions { Roles = ["coordinator", "server", "worker"], Workers = options.Workers, Threads = perNode, Certificates = certificates }, lines), null);
        }

        var node = await Start(new NodeOptions { Roles = ["coordinator"], Certificates = certificates }, lines);
        var host = node.Host;
        var launcher = new Launcher(new ChildProcesses(), TimeProvider.System, options.MaxRestarts, host.Tell, notice, certificates?.Directory, perNode, lines);
        for (var i = 0; i < options.Servers; i++)
        {
            launcher.Start("server", host.Address);
        }

        for (var i = 0; i < options.Workers; i++)
        {
            launcher.Start("worker", host.Address);
        }

        return new LocalCluster(node, launcher);
    }

    /// <summary>
    /// Ends the processes. This process's node is not disposed of: the cluster ends with the process, and leaving it in
    /// good order would wait for members that are dead.
    /// </summary>
    public void Dispose()
    {
        _launcher?.Dispose();
        _exports.Dispose();
    }

    /// <summary>What the actor system warns of goes into the run's log.</summary>
    private static async Task<(NodeHost Host, Exports Exports)> Start(NodeOptions options, JsonLines? lines)
    {
        NodeHost? host = null;
        var kept = new LineLoggerFactory(text => host?.Tell(new Submissions.LogLine("launcher", text)));
        var exports = Exports.Start(LogSettings.Level, lines is null ? [kept] : [kept, lines], null, string.Join(',', options.Roles));
        host = await NodeHost.StartAsync(options with { Logging = exports.Logging }, null, CancellationToken.None);
        return (host, exports);
    }
}
