using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace DistributedTrainer.Channels.Sockets;

/// <summary>The text of "tcp://host:port", "unix:///path" and "shared-memory:///path".</summary>
internal sealed record SocketAddress(string? Path, string Host, int Port, bool SharedMemory = false)
{
    private const string Tcp = "tcp://";
    private const string Unix = "unix://";
    private const string Shared = "shared-memory://";

    /// <exception cref="ArgumentException">Malformed, or of another transport.</exception>
    public static SocketAddress Parse(string address)
    {
        if (address.StartsWith(Unix, StringComparison.Ordinal) && address.Length > Unix.Length) return new SocketAddress(address[Unix.Length..], "", 0);
        if (address.StartsWith(Tcp, StringComparison.Ordinal))
        {
            var colon = address.LastIndexOf(':');
            var host = colon <= Tcp.Length ? "" : address[Tcp.Length..colon].TrimStart('[').TrimEnd(']');
            if (host.Length > 0 && int.TryParse(address.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port <= ushort.MaxValue)
                return new SocketAddress(null, host, port);
        }

        throw new ArgumentException($"address: '{address}' is neither tcp://host:port nor unix:///path", nameof(address));
    }

    /// <exception cref="ArgumentException">Malformed, or of another transport.</exception>
    public static SocketAddress ParseShared(string address) =>
        address.StartsWith(Shared, StringComparison.Ordinal) && address.Length > Shared.Length
            ? new SocketAddress(address[Shared.Length..], "", 0, SharedMemory: true)
            : throw new ArgumentException($"address: '{address}' is not {Shared}/path", nameof(address));

    /// <summary>All ends that the address may mean, IPv4 first. Looks host names up.</summary>
    /// <exception cref="ArgumentException">The path is too long for a socket.</exception>
    /// <exception cref="SocketException">The host name is unknown.</exception>
    public IReadOnlyList<EndPoint> EndPoints()
    {
        if (Path is not null)
        {
            // The limit of the system, some 100 bytes, gives an exception that does not name the path.
            try { return [new UnixDomainSocketEndPoint(Path)]; }
            catch (ArgumentOutOfRangeException) { throw new ArgumentException($"address: the path '{Path}' is too long for a socket. Use a shorter folder."); }
        }

        var hosts = IPAddress.TryParse(Host, out var literal) ? [literal] : Dns.GetHostAddresses(Host);
        return [.. hosts.OrderBy(h => h.AddressFamily == AddressFamily.InterNetwork ? 0 : 1).Select(h => new IPEndPoint(h, Port))];
    }

    public static Socket CreateSocket(EndPoint end) =>
        new(end.AddressFamily, SocketType.Stream, end.AddressFamily == AddressFamily.Unix ? ProtocolType.Unspecified : ProtocolType.Tcp);

    // Of <linux/tcp.h>.
    private const int TcpUserTimeout = 18;

    /// <summary>
    /// Small frames at once, and a host that vanished is noticed within a minute, by an end that has nothing to send as by one
    /// that sends: without a limit of its own Linux repeats what is not acknowledged for a quarter of an hour.
    /// </summary>
    public static void Tune(Socket socket)
    {
        if (socket.AddressFamily == AddressFamily.Unix) return;
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 30);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 5);
        if (OperatingSystem.IsLinux()) socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, TcpUserTimeout, BitConverter.GetBytes(55_000));
    }

    /// <summary>A TCP socket can end up connected to itself, when its own port is the one it was to reach.</summary>
    public static bool IsItself(Socket socket) =>
        socket.AddressFamily != AddressFamily.Unix && Equals(socket.LocalEndPoint, socket.RemoteEndPoint);

    public override string ToString() =>
        Path is not null ? (SharedMemory ? Shared : Unix) + Path : Host.Contains(':') ? $"{Tcp}[{Host}]:{Port}" : $"{Tcp}{Host}:{Port}";
}
