using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>A server node's open doors for one run.</summary>
internal sealed class DataPlaneServer : IDisposable
{
    private readonly OpenDoors _doors;
    private volatile ServedRun? _served;

    /// <param name="host">What workers reach it under.</param>
    /// <param name="node">Its name.</param>
    /// <param name="token">Of the run.</param>
    /// <param name="log">Told of strangers.</param>
    /// <param name="bind">What it listens on; null: the host.</param>
    /// <param name="certificates">Of this node, where the network is encrypted.</param>
    public DataPlaneServer(string host, string node, ulong token, Action<string> log, string? bind = null, NodeCertificates? certificates = null) =>
        _doors = new OpenDoors(host, node, token, log, _ => new ServerConnection(() => _served), bind, certificates);

    /// <summary>Where workers can connect, fastest first.</summary>
    public string[] Addresses => _doors.Addresses;

    /// <summary>What is served; frames that come before are refused.</summary>
    public void Serve(ServedRun run) => _served = run;

    public void Dispose()
    {
        _served = null;
        _doors.Dispose();
    }
}
