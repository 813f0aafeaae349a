using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>A server node's open doors for one run: in-process, same host and network.</summary>
internal sealed class DataPlaneServer : IDisposable
{
    private readonly List<IChannelListener> _listeners = [];
    private volatile ServedRun? _served;

    public DataPlaneServer(string host, string node, ulong token, Action<string> log)
    {
        var options = new ChannelOptions { RunToken = token, Rejected = log };
        Listen($"in-process://{node}-{token:x}", options);
        if (!OperatingSystem.IsWindows())
        {
            // A killed server leaves its socket file; whoever starts next removes it.
            SocketTransport.RemoveStaleFiles(Path.GetTempPath(), "dtrain-*.sock");
            Listen($"unix://{Path.Combine(Path.GetTempPath(), $"dtrain-{node}-{token:x}.sock")}", options);
        }

        Listen($"tcp://{host}:0", options);
    }

    /// <summary>Where workers can connect, fastest first.</summary>
    public string[] Addresses => [.. _listeners.Select(static listener => listener.Address)];

    /// <summary>What is served; frames that come before are refused.</summary>
    public void Serve(ServedRun run) => _served = run;

    public void Dispose()
    {
        _served = null;
        foreach (var listener in _listeners)
        {
            listener.Dispose();
        }
    }

    private void Listen(string address, ChannelOptions options)
    {
        try
        {
            _listeners.Add(Transports.For(address).Listen(address, _ => new ServerConnection(() => _served), options));
        }
        catch
        {
            // All doors or none.
            Dispose();
            throw;
        }
    }
}
