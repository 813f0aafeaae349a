using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster;

/// <summary>The transport of an address.</summary>
public static class Transports
{
    private static readonly InProcessTransport InProcess = new();
    private static readonly SharedMemoryTransport Shared = new();
    private static readonly SocketTransport Sockets = new();

    /// <summary>The one that its scheme names.</summary>
    /// <param name="address">Such as "tcp://127.0.0.1:4000".</param>
    public static ITransport For(string address) =>
        address.StartsWith("in-process:", StringComparison.Ordinal) ? InProcess
        : address.StartsWith("shared-memory:", StringComparison.Ordinal) ? Shared
        : Sockets;
}
