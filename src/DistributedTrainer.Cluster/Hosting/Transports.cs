using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster;

/// <summary>The transport of an address.</summary>
internal static class Transports
{
    private static readonly InProcessTransport InProcess = new();
    private static readonly SharedMemoryTransport Shared = new();
    private static readonly SocketTransport Sockets = new();

    public static ITransport For(string address) =>
        address.StartsWith("in-process:", StringComparison.Ordinal) ? InProcess
        : address.StartsWith("shared-memory:", StringComparison.Ordinal) ? Shared
        : Sockets;
}
