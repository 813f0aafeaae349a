using System.Net;
using System.Net.Sockets;
using DistributedTrainer.Channels.Sockets;
using DistributedTrainer.Channels.Tls;

using SocketAddress = DistributedTrainer.Channels.Sockets.SocketAddress;

namespace DistributedTrainer.Channels;

/// <summary>
/// Channels over TCP ("tcp://host:port"; port 0 lets the system choose) and over Unix domain sockets ("unix:///path").
/// Not encrypted and not authenticated, and so for networks that are trusted, unless the options hold certificates: then TCP is
/// encrypted, and both ends show one.
/// </summary>
public sealed class SocketTransport : ITransport
{
    /// <inheritdoc/>
    public IChannelListener Listen(string address, Func<IChannel, IFrameHandler> accept, ChannelOptions options) =>
        new SocketListener(SocketAddress.Parse(address), accept, options.Validated());

    /// <inheritdoc/>
    public IChannel Connect(string address, IFrameHandler handler, ChannelOptions options)
    {
        options.Validated();
        var line = Greet(SocketAddress.Parse(address), options, offer: 0, out _);
        var channel = new SocketChannel(line, address, options);
        channel.Start(handler);
        return channel;
    }

    /// <summary>A connection whose hello was exchanged, and what the listener answered to the offer.</summary>
    /// <exception cref="ChannelClosedException">Nobody answers, or the peer refuses; with the reason.</exception>
    internal static SocketLine Greet(SocketAddress address, ChannelOptions options, byte offer, out byte answer)
    {
        var socket = Open(address, options.HelloTimeout);
        var certificates = address.Path is null ? options.Certificates : null;
        answer = 0;
        string? problem = null;
        Exception? failure = null;
        SocketLine? line = null;

        // One time for the handshake and the hello.
        using var limit = certificates is null ? null : new TimeLimit(socket, options.HelloTimeout);
        try
        {
            SocketAddress.Tune(socket);
            line = certificates is null ? new SocketLine(socket) : TlsDoor.Connect(socket, address.Host, certificates, limit!, out problem);
            if (line is not null)
            {
                Hello.Send(line, options.RunToken, offer);
                problem = Hello.Await(line, options, out answer);
                if (limit?.End() == false) problem = Hello.NotInTime;
            }
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            failure = e;
            problem = e.Message;
        }

        if (problem is null) return line!;
        (line as IDisposable ?? socket).Dispose();
        throw new ChannelClosedException($"connect: {address}: {problem}", failure);
    }

    /// <summary>Removes socket files of killed processes: those in the directory that match the pattern and that nobody answers.</summary>
    public static void RemoveStaleFiles(string directory, string pattern) => SocketFile.Sweep(directory, pattern);

    private static Socket Open(SocketAddress address, TimeSpan timeout)
    {
        Exception? failure = null;
        try
        {
            foreach (var end in address.EndPoints())
            {
                var socket = SocketAddress.CreateSocket(end);
                try
                {
                    ConnectWithin(socket, end, timeout);
                    if (!SocketAddress.IsItself(socket)) return socket;
                    // The system gave the socket the very port that it was to reach, and nobody else listens there.
                    throw new SocketException((int)SocketError.ConnectionRefused);
                }
                catch (SocketException e)
                {
                    failure = e;
                    socket.Dispose();
                }
            }
        }
        catch (SocketException e)
        {
            failure = e;
        }

        var why = failure is SocketException { SocketErrorCode: SocketError.TimedOut } ? $"no answer within {timeout.TotalSeconds:0.###} s" : failure?.Message ?? "the host has no address";
        throw new ChannelClosedException($"connect: {address}: {why}", failure);
    }

    // A blocking connect has no timeout of its own, and the asynchronous one would make the socket non-blocking for good.
    private static void ConnectWithin(Socket socket, EndPoint end, TimeSpan timeout)
    {
        if (socket.AddressFamily == AddressFamily.Unix)
        {
            ConnectLocally(socket, end, timeout);
            return;
        }

        // Whoever comes first ends it: a timer that is late to get a thread must not cut a connection that is in use.
        var ended = 0;
        using var limit = new Timer(_ =>
        {
            if (Interlocked.Exchange(ref ended, 1) == 0) socket.Dispose();
        }, null, timeout, Timeout.InfiniteTimeSpan);
        try { socket.Connect(end); }
        catch (Exception e) when (e is SocketException or ObjectDisposedException && Volatile.Read(ref ended) != 0) { throw TimedOut(); }
        if (Interlocked.Exchange(ref ended, 1) != 0) throw TimedOut();
    }

    // It waits for room in the queue of its listener, which may be held up; disposing does not wake it, but the system's own limit does.
    private static void ConnectLocally(Socket socket, EndPoint end, TimeSpan timeout)
    {
        socket.SendTimeout = (int)Math.Ceiling(timeout.TotalMilliseconds);
        try { socket.Connect(end); }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.WouldBlock or SocketError.TryAgain) { throw TimedOut(); }
        socket.SendTimeout = 0;
    }

    private static SocketException TimedOut() => new((int)SocketError.TimedOut);
}
