using System.Security.Cryptography;
using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>A node's open doors for one run: in-process, same host (shared memory and plain sockets through one door) and network.</summary>
internal sealed class OpenDoors : IDisposable
{
    // A stranger that knocks again and again is told of once in this time.
    private static readonly TimeSpan QuietPeriod = TimeSpan.FromMinutes(1);

    private readonly List<IChannelListener> _listeners = [];
    private readonly List<string> _addresses = [];
    private readonly Func<IChannel, IFrameHandler> _accept;

    /// <param name="host">Where others reach it.</param>
    /// <param name="node">Names this node on its machine.</param>
    /// <param name="token">What a peer must know to be let in.</param>
    /// <param name="log">Told of strangers.</param>
    /// <param name="accept">The handler of a new connection.</param>
    /// <param name="bind">Where to listen; null: there.</param>
    /// <param name="certificates">Of this node, where the network is encrypted.</param>
    /// <exception cref="IOException">A door cannot be opened; then none is.</exception>
    public OpenDoors(string host, string node, ulong token, Action<string> log, Func<IChannel, IFrameHandler> accept, string? bind = null, NodeCertificates? certificates = null)
    {
        _accept = accept;
        var options = new ChannelOptions { RunToken = token, Rejected = log, Degraded = log, QuietPeriod = QuietPeriod, Certificates = certificates };

        // Names are seen by others of the machine and written to files: they tell nothing of the token.
        var name = $"{node}-{RandomNumberGenerator.GetHexString(8, lowercase: true)}";
        Listen($"in-process://{name}", options);
        if (!OperatingSystem.IsWindows())
        {
            // A killed server leaves its socket file; whoever starts next removes it.
            SocketTransport.RemoveStaleFiles(Path.GetTempPath(), "dtrain-*.sock");
            var path = Path.Combine(Path.GetTempPath(), $"dtrain-{name}.sock");
            Listen(SharedMemory.Problem is null ? $"shared-memory://{path}" : $"unix://{path}", options);
            if (SharedMemory.Problem is null)
            {
                _addresses.Add($"unix://{path}");
            }
        }

        Listen($"tcp://{bind ?? host}:0", options);
        if (bind is not null)
        {
            _addresses[^1] = $"tcp://{host}{_addresses[^1][_addresses[^1].LastIndexOf(':')..]}";
        }
    }

    /// <summary>Where others can connect, fastest first.</summary>
    public string[] Addresses => [.. _addresses];

    public void Dispose()
    {
        foreach (var listener in _listeners)
        {
            listener.Dispose();
        }
    }

    private void Listen(string address, ChannelOptions options)
    {
        try
        {
            var listener = Transports.For(address).Listen(address, _accept, options);
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
