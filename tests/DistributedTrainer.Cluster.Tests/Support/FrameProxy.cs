using System.Net;
using System.Net.Sockets;
using DistributedTrainer.Channels;
using Route = DistributedTrainer.Protocol.Workers.Route;

namespace DistributedTrainer.Cluster.Tests.Support;

internal enum Fate
{
    Pass,

    /// <summary>It never arrives.</summary>
    Drop,

    /// <summary>Half of the payload passes, then both sides are closed.</summary>
    CutInside,
}

/// <summary>
/// Stands between a worker and a server on TCP, sees each frame that the worker sends, and may cut the connection in the
/// middle of one.
/// </summary>
internal sealed class FrameProxy : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Uri _target;
    private readonly Func<int, FrameHeader, Fate> _decide;
    private int _connections;

    /// <param name="target">tcp://host:port of the server.</param>
    /// <param name="decide">Number of the connection, from 1, and the frame; called on a thread of the proxy.</param>
    public FrameProxy(string target, Func<int, FrameHeader, Fate> decide)
    {
        _target = new Uri(target);
        _decide = decide;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        new Thread(Accept) { IsBackground = true, Name = "frame proxy" }.Start();
    }

    public string Address => $"tcp://127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}";

    /// <summary>Routes that lead through proxies, one for each server.</summary>
    public static (Route[] Routes, FrameProxy[] Proxies) Between(Route[] routes, Func<int, FrameHeader, Fate> decide)
    {
        var proxies = routes.DistinctBy(static route => route.Node)
            .ToDictionary(static route => route.Node, route => new FrameProxy(route.Addresses.Single(static address => address.StartsWith("tcp://", StringComparison.Ordinal)), decide));
        return ([.. routes.Select(route => route with { Addresses = [proxies[route.Node].Address] })], [.. proxies.Values]);
    }

    public void Dispose() => _listener.Dispose();

    private void Accept()
    {
        try
        {
            while (true)
            {
                var worker = _listener.Accept();
                var number = Interlocked.Increment(ref _connections);
                new Thread(() => Serve(worker, number)) { IsBackground = true, Name = "frame proxy out" }.Start();
            }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private void Serve(Socket worker, int number)
    {
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using (worker)
        {
            try
            {
                worker.NoDelay = true;
                server.Connect(_target.Host, _target.Port);
                var back = new Thread(() => Pump(server, worker)) { IsBackground = true, Name = "frame proxy back" };
                back.Start();
                while (Forward(worker, server, number))
                {
                }
            }
            catch (Exception end) when (end is SocketException or ObjectDisposedException)
            {
                // One side is gone: so is the other, at once.
            }
        }
    }

    private bool Forward(Socket worker, Socket server, int number)
    {
        var head = new byte[FrameFormat.HeaderBytes];
        if (!ReadAll(worker, head))
        {
            return false;
        }

        Assert.Null(FrameFormat.Read(head, out var header));
        var payload = new byte[header.PayloadBytes];
        if (!ReadAll(worker, payload))
        {
            return false;
        }

        var fate = _decide(number, header);
        if (fate == Fate.Drop)
        {
            return true;
        }

        server.Send(head);
        SendAll(server, fate == Fate.Pass ? payload : payload.AsSpan(0, payload.Length / 2));
        return fate == Fate.Pass;
    }

    private static void Pump(Socket from, Socket to)
    {
        var buffer = new byte[65536];
        try
        {
            for (var count = from.Receive(buffer); count > 0; count = from.Receive(buffer))
            {
                SendAll(to, buffer.AsSpan(0, count));
            }

            to.Shutdown(SocketShutdown.Both);
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // As above.
        }
    }

    private static bool ReadAll(Socket socket, Span<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var count = socket.Receive(bytes);
            if (count == 0)
            {
                return false;
            }

            bytes = bytes[count..];
        }

        return true;
    }

    private static void SendAll(Socket socket, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[socket.Send(bytes)..];
        }
    }
}
