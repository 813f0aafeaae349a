using System.Net.Sockets;

namespace DistributedTrainer.Channels.Shared;

internal sealed partial class SharedChannel
{
    private const string ImpossibleCount = "shared memory: the peer's count of bytes is impossible";

    private readonly object _arriving = new();
    private readonly MemoryFile?[] _regions = new MemoryFile?[SharedRegion.Maximum];
    private bool _peerEnded;

    // Leases, and one more while the channel is open. At zero the peer may have everything back.
    private int _held = 1;

    // The reader, the watcher and the leases as one. At zero nobody uses the memory.
    private int _users = 3;

    /// <summary>Reads the socket until the peer ends, even after the channel was closed.</summary>
    private void Watch()
    {
        string? problem;
        do
        {
            problem = Wire.Receive(_socket, null, out var wire, out var descriptor);
            if (problem is null) problem = Take(wire, descriptor);
        }
        while (problem is null);

        Volatile.Write(ref _peerEnded, true);
        PeerGone(problem);
        _posts.Close();
        Leave();
    }

    private string? Take(in Wire wire, int descriptor)
    {
        switch (wire.Kind)
        {
            case WireKind.Closed:
                PeerGone(Wire.Ended);
                _posts.Close();
                return null;
            case WireKind.Region when wire.Number is >= 0 and < SharedRegion.Maximum && _regions[wire.Number] is null:
                try
                {
                    var region = MemoryFile.Adopt(descriptor, wire.Length, writable: false);
                    lock (_arriving)
                    {
                        _regions[wire.Number] = region;
                        Monitor.PulseAll(_arriving);
                    }

                    return null;
                }
                catch (IOException e)
                {
                    return e.Message;
                }

            case WireKind.Board:
                try
                {
                    var board = SharedBoard.Adopt(descriptor, wire.Length);
                    Volatile.Write(ref _seat, wire.Number >= 0 && wire.Number < board.Seats ? new BoardSeat(board, wire.Number) : null);
                }
                catch (IOException e)
                {
                    // What it would have been good for goes over the channel.
                    _options.Degrade($"{Peer}: {e.Message}");
                }

                return null;

            default:
                if (descriptor >= 0) Libc.Close(descriptor);
                return $"shared memory: a message of kind {wire.Kind} with number {wire.Number}";
        }
    }

    /// <summary>Ends all waits for the peer. What it sent before is still read.</summary>
    private void PeerGone(string reason)
    {
        Interlocked.CompareExchange(ref _peerGone, reason, null);
        WakeAll();
    }

    private void WakeAll()
    {
        _segment.Arrivals.Ring();
        _segment.Room.Ring();
        lock (_arriving) Monitor.PulseAll(_arriving);
    }

    /// <summary>The announcement comes over the socket, and was sent before the frame that needs it.</summary>
    private MemoryFile AwaitRegion(int number)
    {
        lock (_arriving)
        {
            while (true)
            {
                if (_regions[number] is { } region) return region;
                if (Volatile.Read(ref _reason) is not null || Volatile.Read(ref _peerEnded))
                    throw new ChannelClosedException($"frame: a lent payload in region {number}, which was not announced");
                Monitor.Wait(_arriving);
            }
        }
    }

    /// <summary>For one more lease, unless the peer was told that there are none any more.</summary>
    private void Hold()
    {
        var held = Volatile.Read(ref _held);
        while (true)
        {
            if (held == 0) throw Closed();
            var seen = Interlocked.CompareExchange(ref _held, held + 1, held);
            if (seen == held) return;
            held = seen;
        }
    }

    private void DropHold()
    {
        if (Interlocked.Decrement(ref _held) != 0) return;
        try { _socket.Shutdown(SocketShutdown.Send); }
        catch (Exception e) when (e is SocketException or ObjectDisposedException) { /* The peer was quicker. */ }
        Leave();
    }

    /// <summary>A lease ends.</summary>
    internal void GiveBack(int slot)
    {
        _segment.GiveBack(slot);
        DropHold();
    }

    private void Leave()
    {
        if (Interlocked.Decrement(ref _users) != 0) return;
        // A sender that found the channel closed may still be inside.
        lock (_sending)
        {
            _segment.Dispose();
            foreach (var region in _regions) region?.Dispose();
        }

        _socket.Dispose();
    }
}
