using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>A server node's open doors for one run: in-process, same host (shared memory and plain sockets through one door) and network.</summary>
internal sealed class DataPlaneServer : IDisposable
{
    // A stranger that knocks again and again is told of once in this time.
    private static readonly TimeSpan QuietPeriod = TimeSpan.FromMinutes(1);

    private readonly List<IChannelListener> _listeners = [];
    private readonly List<string> _addresses = [];
    private volatile ServedRun? _served;

    public DataPlaneServer(string host, string node, ulong token, Action<string> log)
    {
        var options = new ChannelOptions { RunToken = token, Rejected = log, Degraded = log, QuietPeriod = QuietPeriod };
        Listen($"in-process://{node}-{token:x}", options);
        if (!OperatingSystem.IsWindows())
        {
            // A killed server leaves its socket file; whoever starts next removes it.
            SocketTransport.RemoveStaleFiles(Path.GetTempPath(), "dtrain-*.sock");
            var path = Path.Combine(Path.GetTempPath(), $"dtrain-{node}-{token:x}.sock");
            Listen(SharedMemory.Problem is null ? $"shared-memory://{path}" : $"unix://{path}", options);
            if (SharedMemory.Problem is null)
            {
                _addresses.Add($"unix://{path}");
            }
        }

        Listen($"tcp://{host}:0", options);
    }

    /// <summary>Where workers can connect, fastest first.</summary>
    public string[] Addresses => [.. _addresses];

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
            var listener = Transports.For(address).Listen(address, _ => new ServerConnection(() => _served), options);
            _listeners.Add(listener);
            _addresses.Add(listener.Address);
        }
        catch
        {
            // All doors or none.
            Dispose();
            throw;
        }
    }
}
