using System.Net;
using System.Net.Sockets;
using DistributedTrainer.Channels.Internal;
using DistributedTrainer.Channels.Shared;
using DistributedTrainer.Channels.Tls;

namespace DistributedTrainer.Channels.Sockets;

/// <summary>Accepts connections; each says hello on a thread of its own, so that a silent one holds nobody up.</summary>
internal sealed class SocketListener : IChannelListener
{
    // Connections that have not said hello yet. More than a cluster ever opens at once, and few enough for a port scan.
    internal const int MaximumPending = 256;

    private const string ListenerClosed = "the listener was closed";

    private readonly Socket _socket;
    private readonly SocketAddress _address;
    private readonly Func<IChannel, IFrameHandler> _accept;
    private readonly ChannelOptions _options;
    private readonly QuietLog _rejected;
    private readonly QuietLog _degraded;
    private readonly HashSet<Socket> _pending = [];
    private readonly ManualResetEvent _stopped = new(false);
    private readonly Thread _thread;
    private long _connections;
    private int _open;
    private int _disposed;

    public SocketListener(SocketAddress address, Func<IChannel, IFrameHandler> accept, ChannelOptions options)
    {
        _accept = accept;
        _options = options;
        _rejected = new QuietLog(options.Reject, options.QuietPeriod, options.Clock);
        _degraded = new QuietLog(options.Degrade, options.QuietPeriod, options.Clock);
        _socket = Bind(address);
        _address = _socket.LocalEndPoint is IPEndPoint ip ? address with { Port = ip.Port } : address;
        _thread = ChannelThread.Create($"channel listener {_address}", Accept);
        _thread.Start();
    }

    public string Address => _address.ToString();

    /// <summary>Connections that have not said hello yet.</summary>
    internal int Pending
    {
        get { lock (_pending) return _pending.Count; }
    }

    /// <summary>Connections that are open, those that have not said hello yet among them.</summary>
    internal int Open
    {
        get { lock (_pending) return _open; }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        _stopped.Set();
        lock (SocketFile.Gate)
        {
            _socket.Dispose();
            if (_address.Path is { } path) File.Delete(path);
        }

        lock (_pending)
        {
            foreach (var socket in _pending) ShutDown(socket);
        }

        ChannelThread.Join(_thread);
        _rejected.Close();
        _degraded.Close();
    }

    private static Socket Bind(SocketAddress address)
    {
        if (address.Path is null) return BindFirst(address);
        lock (SocketFile.Gate)
        {
            SocketFile.RemoveStale(address.Path);

            // A file at which nobody listens yet looks like one that a killed process left: another process would sweep it up.
            var unseen = address.Path + "~";
            SocketFile.RemoveStale(unseen);
            var socket = BindFirst(address with { Path = unseen });
            try
            {
                File.Move(unseen, address.Path);
                return socket;
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
    }

    private static Socket BindFirst(SocketAddress address)
    {
        Exception? failure = null;
        try
        {
            foreach (var end in address.EndPoints())
            {
                var socket = SocketAddress.CreateSocket(end);
                try
                {
                    socket.Bind(end);
                    if (address.Path is { } file) SocketFile.Restrict(file);
                    socket.Listen(512);
                    return socket;
                }
                catch (Exception e)
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

        throw new IOException($"listen: {address} can't be bound: {failure?.Message ?? "the host has no address"}", failure);
    }

    private void Accept()
    {
        while (Volatile.Read(ref _disposed) == 0)
        {
            Socket? socket = null;
            try
            {
                socket = _socket.Accept();
                Greet(socket);
            }
            catch (Exception e)
            {
                socket?.Dispose();
                if (Volatile.Read(ref _disposed) != 0) return;
                _rejected.Add(Address, $"{_address}: accept failed: {e.Message}");
                // Out of file descriptors or threads: not a reason to end, but to wait a little.
                _stopped.WaitOne(100);
            }
        }
    }

    private void Greet(Socket socket)
    {
        var peer = socket.RemoteEndPoint is IPEndPoint ip ? $"tcp://{ip}" : $"{_address}#{++_connections}";
        if (ProblemOfAnother(socket) is { } problem)
        {
            socket.Dispose();
            _rejected.Add(HostOf(peer), $"{peer}: {problem}");
            return;
        }

        try { ChannelThread.Create($"channel reader {peer}", () => Serve(socket, peer)).Start(); }
        catch
        {
            Forget(socket);
            Left();
            throw;
        }
    }

    private void Serve(Socket socket, string peer)
    {
        try { ServeOne(socket, peer); }
        finally { Left(); }
    }

    private void ServeOne(Socket socket, string peer)
    {
        string? problem;
        Segment? segment = null;
        SocketLine? line = null;

        // One time for the handshake and the hello: who has not shown who it is costs no more of it encrypted than plain.
        using var limit = Certificates is null ? null : new TimeLimit(socket, _options.HelloTimeout);
        try
        {
            SocketAddress.Tune(socket);
            line = Secure(socket, limit, out problem);
            if (line is not null)
            {
                problem = Hello.Check(line, _options, out var offer);
                if (problem is null) problem = Answer(line, peer, offer, out segment);
                if (limit?.End() == false) problem = Hello.NotInTime;
            }
        }
        catch (Exception e)
        {
            problem = $"hello: {e.Message}";
        }

        if (!Forget(socket)) problem = ListenerClosed;
        if (problem is not null)
        {
            segment?.Dispose();
            ShutDown(socket);
            (line as IDisposable ?? socket).Dispose();
            if (problem != Hello.OnlyLooked) _rejected.Add(HostOf(peer), $"{peer}: {problem}");
            return;
        }

        try
        {
            if (segment is null) new SocketChannel(line!, peer, _options).Run(_accept);
            else new SharedChannel(socket, segment, peer, _options).Run(_accept);
        }
        catch (Exception e)
        {
            segment?.Dispose();
            // No memory or no thread for one more channel. Those that are open are worth more than this one.
            ShutDown(socket);
            line!.Dispose();
            _rejected.Add(HostOf(peer), $"{peer}: the channel can't be opened: {e.Message}");
        }
    }

    /// <summary>What never leaves the machine is not encrypted: its file is for this user only.</summary>
    private NodeCertificates? Certificates => _address.Path is null ? _options.Certificates : null;

    private SocketLine? Secure(Socket socket, TimeLimit? limit, out string? problem)
    {
        problem = null;
        return Certificates is { } certificates ? TlsDoor.Accept(socket, certificates, limit!, out problem) : new SocketLine(socket);
    }

    /// <summary>Answers a hello. A peer that offers shared memory gets it where both can map it, else the plain socket.</summary>
    private string? Answer(SocketLine line, string peer, byte offer, out Segment? segment)
    {
        segment = null;
        var shares = _address.Path is not null && (offer & Hello.SharedMemory) != 0 && SharedMemory.Problem is null;
        Hello.Send(line, _options.RunToken, shares ? Hello.SharedMemory : (byte)0);
        if (!shares) return null;
        var problem = SharedHandshake.Accept(line.Socket, _options, out segment, out var unmapped);
        if (unmapped is not null) _degraded.Add(HostOf(peer), $"{peer}: no shared memory, the socket carries all: {unmapped}");
        return problem;
    }

    /// <summary>Null: the socket is among the pending ones now. Else why it must not be.</summary>
    private string? ProblemOfAnother(Socket socket)
    {
        lock (_pending)
        {
            if (Volatile.Read(ref _disposed) != 0) return ListenerClosed;
            if (_pending.Count >= MaximumPending) return $"{MaximumPending} connections wait for their hello already";
            if (_open >= _options.MaximumConnections) return $"{_options.MaximumConnections} connections are open already";
            _pending.Add(socket);
            _open++;
            return null;
        }
    }

    private void Left()
    {
        lock (_pending) _open--;
    }

    /// <summary>False when the listener was disposed of in the meantime.</summary>
    private bool Forget(Socket socket)
    {
        lock (_pending)
        {
            _pending.Remove(socket);
            return Volatile.Read(ref _disposed) == 0;
        }
    }

    /// <summary>A peer's address without what tells its connections apart.</summary>
    private static string HostOf(string peer) => peer[..peer.LastIndexOfAny([':', '#'])];

    private static void ShutDown(Socket socket)
    {
        try { socket.Shutdown(SocketShutdown.Both); }
        catch (Exception e) when (e is SocketException or ObjectDisposedException) { /* Gone already. */ }
    }
}
