using System.Net.Sockets;
using DistributedTrainer.Channels.Internal;

namespace DistributedTrainer.Channels.Shared;

/// <summary>
/// One end of a connection over shared memory: a reader thread, a writer thread for posts that can't be written at once,
/// and a watcher at the socket, which brings the peer's regions and its end.
/// </summary>
/// <remarks>
/// What is lent outlives the channel: each end says that it closed, and ends its half of the socket only when it holds no
/// lease any more; a killed process does both at once. Until then the sender keeps its payloads from being used again.
/// The memory is unmapped when the reader, the watcher and all leases are done with it (<see cref="Leave"/>).
/// </remarks>
internal sealed partial class SharedChannel : IChannel
{
    // A posted frame up to this size is copied by the caller: cheaper than waking the writer.
    private const int InlineBytes = 16 * 1024;

    // Below this, copying costs less than the way of the release.
    private const int LendFrom = 4 * 1024;

    private readonly Socket _socket;
    private readonly Segment _segment;
    private readonly ChannelOptions _options;
    private readonly object _sending = new();
    private readonly Lock _wire = new();
    private readonly bool[] _announced = new bool[SharedRegion.Maximum];
    private readonly LentPayloads _lent = new();
    private readonly FrameQueue _posts;
    private readonly Thread _writer;
    private readonly ManualResetEventSlim _finished = new();
    private long _waiting;
    private string? _reason;
    private BoardSeat? _seat;

    // Why the peer is heard of no more; what it sent before is still read.
    private string? _peerGone;

    /// <summary>For a socket over which both ends got the segment. Call <see cref="Start"/> or <see cref="Run"/> next.</summary>
    public SharedChannel(Socket socket, Segment segment, string peer, ChannelOptions options)
    {
        _socket = socket;
        _segment = segment;
        _options = options;
        Peer = peer;
        _posts = new FrameQueue(options.MaximumPostedFrames);
        _writer = ChannelThread.Create($"channel writer {peer}", Write);
    }

    public string Peer { get; }

    public bool IsOpen => Volatile.Read(ref _reason) is null && Volatile.Read(ref _peerGone) is null;

    public BoardSeat? Seat => Volatile.Read(ref _seat);

    /// <summary>Reads on a thread of its own.</summary>
    public void Start(IFrameHandler handler)
    {
        var reader = ChannelThread.Create($"channel reader {Peer}", () => Read(handler));
        StartHelpers();
        reader.Start();
    }

    /// <summary>Reads on this thread until the channel is closed.</summary>
    public void Run(Func<IChannel, IFrameHandler> accept)
    {
        StartHelpers();
        IFrameHandler? handler = null;
        try { handler = accept(this); }
        catch (Exception e)
        {
            var reason = $"accept callback failed: {e.Message}";
            Close(reason);
            _options.Reject($"{Peer}: {reason}");
        }

        Read(handler);
    }

    public void Send(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        FrameRules.CheckOutgoing(header, payload.Length, _options.MaximumPayloadBytes);
        lock (_sending) WriteFrame(header, payload);
    }

    public void Post(in FrameHeader header, IPayload payload)
    {
        try
        {
            FrameRules.CheckOutgoing(header, payload.Bytes.Length, _options.MaximumPayloadBytes);
        }
        catch
        {
            payload.Release();
            throw;
        }

        var outcome = Outcome.Dropped;
        try { outcome = PostNow(header, payload); }
        catch (Exception e) { Fail(e); }
        if (outcome == Outcome.NotNow) outcome = Queue(header, payload);
        if (outcome == Outcome.Dropped) payload.Release();
    }

    public bool TryShare(SharedBoard board, int seat)
    {
        var shared = board.Descriptor >= 0 && IsOpen && Tell(new Wire(WireKind.Board, seat, board.Length), board.Descriptor);
        GC.KeepAlive(board);
        return shared;
    }

    public void Dispose()
    {
        Close(FrameRules.ClosedHere);
        if (!ChannelThread.IsCurrent) _finished.Wait(ChannelThread.JoinLimit);
    }

    private void StartHelpers()
    {
        var watcher = ChannelThread.Create($"channel watcher {Peer}", Watch);
        _writer.Start();
        watcher.Start();
    }

    private void Close(string reason)
    {
        if (Interlocked.CompareExchange(ref _reason, reason, null) is not null) return;
        WakeAll();
        Tell(new Wire(WireKind.Closed, 0, 0));
        DropHold();
        // Last: a release runs foreign code.
        _posts.Close();
    }

    /// <summary>False: the connection is lost, which the watcher reports.</summary>
    private bool Tell(in Wire wire, int descriptor = -1)
    {
        try
        {
            lock (_wire) wire.Send(_socket, descriptor);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private ChannelClosedException Closed() =>
        new($"channel to {Peer} is closed: {Volatile.Read(ref _reason) ?? Volatile.Read(ref _peerGone)}");
}
