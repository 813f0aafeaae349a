using System.Net;
using System.Net.Sockets;

namespace DistributedTrainer.Cluster.Hosting;

/// <summary>Under which address this machine is reached.</summary>
public static class LocalAddress
{
    /// <summary>
    /// The address that connections to a node go out from, so that it can be answered: 127.0.0.1 where the node is on this
    /// machine's own loopback, or where there is no way to it. No packet is sent.
    /// </summary>
    /// <param name="nodes">host:port, several with commas between them: the first counts.</param>
    public static string Towards(string? nodes)
    {
        var parts = nodes?.Split(',')[0].Split(':') ?? [];
        if (parts.Length != 2 || !ushort.TryParse(parts[1], out var port) || port == 0)
        {
            // Whoever joins it says what is wrong with it.
            return "127.0.0.1";
        }

        try
        {
            using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            probe.Connect(parts[0], port);
            return ((IPEndPoint)probe.LocalEndPoint!).Address.ToString();
        }
        catch (SocketException)
        {
            return "127.0.0.1";
        }
    }
}
