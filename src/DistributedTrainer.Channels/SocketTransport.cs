using System.Net;
using System.Net.Sockets;
using DistributedTrainer.Channels.Sockets;

using SocketAddress = DistributedTrainer.Channels.Sockets.SocketAddress;

namespace DistributedTrainer.Channels;

/// <summary>
/// Channels over TCP ("tcp://host:port"; port 0 lets the system choose) and over Unix domain sockets ("unix:///path").
/// Not encrypted and not authenticated: for networks that are trusted.
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
        var parsed = SocketAddress.Parse(address);
        var socket = Open(parsed, options.HelloTimeout);
        string? problem;
        Exception? failure = null;
        try
        {
            SocketAddress.Tune(socket);
            Hello.Send(socket, options.RunToken);
            problem = Hello.Await(socket, options);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            failure = e;
            problem = e.Message;
        }

        if (problem is not null)
        {
            socket.Dispose();
            throw new ChannelClosedException($"connect: {address}: {problem}", failure);
        }

        var channel = new SocketChannel(socket, address, options);
        channel.Start(handler);
        return channel;
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
                    return socket;
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException)
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

        var why = failure is ObjectDisposedException ? $"no answer within {timeout.TotalSeconds:0.###} s" : failure?.Message ?? "the host has no address";
        throw new ChannelClosedException($"connect: {address}: {why}", failure);
    }

    // A blocking connect has no timeout of its own, and the asynchronous one would make the socket non-blocking for good.
    private static void ConnectWithin(Socket socket, EndPoint end, TimeSpan timeout)
    {
        using var limit = new Timer(s => ((Socket)s!).Dispose(), socket, timeout, Timeout.InfiniteTimeSpan);
        try { socket.Connect(end); }
        catch (SocketException) when (socket.SafeHandle.IsClosed) { throw new ObjectDisposedException(nameof(Socket)); }
    }
}
