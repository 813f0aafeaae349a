using DistributedTrainer.Channels.Internal;

namespace DistributedTrainer.Channels.InProcess;

/// <summary>
/// One end of a channel within a process. What this end sends goes to the other end's inbox; the other end's reader
/// thread copies it to where its handler says, or lends it.
/// </summary>
internal sealed class InProcessChannel : IChannel
{
    // Above this a sender lends its own memory and waits, below it a copy is cheaper than waking it up again.
    private const int CopyLimit = 64 * 1024;

    private readonly FrameQueue _inbox;
    private readonly ChannelOptions _options;
    private readonly object _sending = new();
    private readonly BorrowedPayload _borrowed = new();
    private readonly CopiedPayload.Pool _copies = new();
    private readonly LentPayload.Pool _lent = new();
    private readonly Thread _reader;
    private readonly Func<IChannel, IFrameHandler> _accept;
    private InProcessChannel _other = null!;
    private string? _reason;
    private BoardSeat? _seat;

    private InProcessChannel(string peer, Func<IChannel, IFrameHandler> accept, ChannelOptions options, int inboxCapacity)
    {
        Peer = peer;
        _accept = accept;
        _options = options;
        _inbox = new FrameQueue(inboxCapacity);
        _reader = ChannelThread.Create($"channel reader {peer}", Read);
    }

    public string Peer { get; }

    public bool IsOpen => Volatile.Read(ref _reason) is null && Volatile.Read(ref _other._reason) is null;

    public BoardSeat? Seat => Volatile.Read(ref _seat);

    /// <summary>Makes both ends and starts their readers. Returns the connecting end.</summary>
    public static InProcessChannel Open(
        string address, string clientName, IFrameHandler client, ChannelOptions clientOptions,
        Func<IChannel, IFrameHandler> accept, ChannelOptions serverOptions)
    {
        // The sender's options bound what waits for the receiver, as on a socket.
        var near = new InProcessChannel(address, _ => client, clientOptions, serverOptions.MaximumPostedFrames);
        var far = new InProcessChannel(clientName, accept, serverOptions, clientOptions.MaximumPostedFrames) { _other = near };
        near._other = far;
        far._reader.Start();
        near._reader.Start();
        return near;
    }

    public unsafe void Send(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        FrameRules.CheckOutgoing(header, payload.Length, _options.MaximumPayloadBytes);
        if (!IsOpen) throw Closed();
        var sent = header;
        sent.PayloadBytes = payload.Length;
        ChannelTraffic.InProcess.Sent(payload.Length);

        // Two handlers that send to each other must not wait for each other: from a channel's thread nothing waits.
        if (ChannelThread.IsCurrent)
        {
            Add(sent, _copies.Copy(payload));
            if (!IsOpen) throw Closed();
        }
        else if (payload.Length <= CopyLimit)
        {
            var copy = _copies.Copy(payload);
            if (_other._inbox.AddWhenRoom(sent, copy)) return;
            copy.Release();
            throw Closed();
        }
        else
        {
            fixed (byte* start = payload)
            {
                lock (_sending)
                {
                    if (!_borrowed.TryLend(start, payload.Length)) throw Closed();
                    if (!_other._inbox.AddWhenRoom(sent, _borrowed)) _borrowed.Release();
                    if (!_borrowed.Wait()) throw Closed();
                }
            }
        }
    }

    public void Post(in FrameHeader header, IPayload payload)
    {
        var sent = header;
        try
        {
            sent.PayloadBytes = payload.Bytes.Length;
            FrameRules.CheckOutgoing(sent, sent.PayloadBytes, _options.MaximumPayloadBytes);
        }
        catch
        {
            payload.Release();
            throw;
        }

        ChannelTraffic.InProcess.Sent(sent.PayloadBytes);
        Add(sent, payload);
    }

    public bool TryShare(SharedBoard board, int seat)
    {
        if (!IsOpen) return false;
        Volatile.Write(ref _other._seat, new BoardSeat(board, seat));
        return true;
    }

    public void Dispose()
    {
        Close(FrameRules.ClosedHere);
        ChannelThread.Join(_reader);
    }

    private void Add(in FrameHeader header, IPayload payload)
    {
        var admission = _other._inbox.TryAdd(header, payload);
        if (admission == Admission.Added) return;
        if (admission == Admission.Full) Close(FrameRules.Overflow(_other._inbox.Capacity));
        payload.Release();
    }

    private void Read()
    {
        IFrameHandler handler;
        try { handler = _accept(this); }
        catch (Exception e)
        {
            var reason = $"accept callback failed: {e.Message}";
            Close(reason);
            _options.Reject($"{Peer}: {reason}");
            return;
        }

        try
        {
            while (_inbox.TryTake(out var frame)) Deliver(handler, frame);
        }
        catch (Exception e)
        {
            Close(e.Message);
        }

        // The other end closed, and all it had sent has been handled.
        Close($"the peer closed the channel: {Volatile.Read(ref _other._reason)}");
        FrameRules.Closed(handler, this, _reason!);
    }

    private void Deliver(IFrameHandler handler, in QueuedFrame frame)
    {
        var (header, payload) = (frame.Header, frame.Payload);
        if (payload is BorrowedPayload borrowed && !borrowed.TryTake()) return;
        var kept = false;
        try
        {
            if (FrameRules.ProblemOf(header, _options.MaximumPayloadBytes) is { } problem) throw new ChannelClosedException(problem);
            ChannelTraffic.InProcess.Received(header.PayloadBytes);
            if (frame.Posted && header.PayloadBytes > 0 && Offer(handler, header, payload, out kept)) return;
            if (!FrameRules.Reserve(handler, this, header, out var span)) return;
            Copy(handler, header, payload, span);
        }
        finally
        {
            // Before Complete, which may take long: a blocked sender goes on as soon as its bytes are copied.
            if (!kept) payload.Release();
        }

        FrameRules.Complete(handler, this, header);
    }

    /// <summary>True when the handler took the frame. Kept: the payload is released with the lease, or was already.</summary>
    private bool Offer(IFrameHandler handler, in FrameHeader header, IPayload payload, out bool kept)
    {
        var lease = _lent.Lend(payload);
        bool taken;
        try { taken = FrameRules.Offer(handler, this, header, lease); }
        catch
        {
            kept = !lease.TryTakeBack();
            throw;
        }

        kept = taken || !lease.TryTakeBack();
        return taken || !kept ? taken : throw FrameRules.DeclinedAndDisposed(header);
    }

    private void Copy(IFrameHandler handler, in FrameHeader header, IPayload payload, Span<byte> span)
    {
        var whole = false;
        try
        {
            payload.Bytes.CopyTo(span);
            whole = true;
        }
        finally
        {
            // A foreign payload may fail or change its length; the room that was made must be given back all the same.
            if (!whole) FrameRules.Abandoned(handler, this, header);
        }
    }

    private void Close(string reason)
    {
        if (Interlocked.CompareExchange(ref _reason, reason, null) is not null) return;
        _inbox.Close();
        _other._inbox.Complete();
        _borrowed.Cancel();
    }

    private ChannelClosedException Closed() =>
        new($"channel to {Peer} is closed: {Volatile.Read(ref _reason) ?? Volatile.Read(ref _other._reason)}");
}
