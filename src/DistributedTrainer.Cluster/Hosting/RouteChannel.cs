using System.Text;
using DistributedTrainer.Channels;
using Route = DistributedTrainer.Protocol.Workers.Route;

namespace DistributedTrainer.Cluster;

/// <summary>The way to a server node.</summary>
internal static class RouteChannel
{
    /// <summary>Connects, the fastest way first, and says who is there.</summary>
    /// <param name="route">To which server.</param>
    /// <param name="transport">Such as auto.</param>
    /// <param name="host">Where this end is.</param>
    /// <param name="token">Names the run.</param>
    /// <param name="name">Who is there.</param>
    /// <param name="handler">Receives frames.</param>
    /// <param name="certificates">Of this node, where the network is encrypted.</param>
    /// <exception cref="ChannelClosedException">The server cannot be reached.</exception>
    public static IChannel Open(Route route, string transport, string host, ulong token, string name, IFrameHandler handler, NodeCertificates? certificates = null)
    {
        var sameHost = route.Host == host;
        var addresses = TransportSelector.Choose(transport, route.Addresses, sameHost && route.ProcessId == Environment.ProcessId, sameHost);
        var channel = Connect(addresses, token, handler, certificates);
        var bytes = Encoding.UTF8.GetBytes(name);
        channel.Send(new FrameHeader { Kind = FrameKind.Request, Run = token, PayloadBytes = bytes.Length }, bytes);
        return channel;
    }

    private static IChannel Connect(IReadOnlyList<string> addresses, ulong token, IFrameHandler handler, NodeCertificates? certificates)
    {
        var problems = new List<string>();
        foreach (var address in addresses)
        {
            try
            {
                return Transports.For(address).Connect(address, handler, new ChannelOptions { RunToken = token, Certificates = certificates });
            }
            catch (ChannelClosedException unreachable)
            {
                problems.Add(unreachable.Message);
            }
        }

        throw new ChannelClosedException(string.Join("; ", problems));
    }
}
