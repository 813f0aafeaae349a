using System.Net.Sockets;
using DistributedTrainer.Channels.Internal;

namespace DistributedTrainer.Channels.Sockets;

/// <summary>One end of a connection over a blocking socket, plain or encrypted: a reader thread, and a writer thread for what is posted.</summary>
/// <remarks>
/// Only the reader thread disposes of the socket, when nobody is inside a call on it; Close shuts it down, which ends
/// all calls under way and lets bytes that were sent already go out.
/// </remarks>
internal sealed class SocketChannel : IChannel
{
    // A header and the first part of its payload leave in one call, a small frame in one packet.
    private const int StagedBytes = 16 * 1024;

    private readonly SocketLine _line;
    private readonly ChannelOptions _options;
    private readonly object _sending = new();
    private readonly byte[] _staging = GC.AllocateUninitializedArray<byte>(FrameFormat.HeaderBytes + StagedBytes, pinned: true);
    private readonly byte[] _dropped = GC.AllocateUninitializedArray<byte>(StagedBytes, pinned: true);
    private readonly FrameQueue _posts;
    private readonly ChannelTraffic _traffic;
    private readonly Thread _writer;
    private Thread _reader;
    private string? _reason;

    /// <summary>For a socket whose hello has been exchanged. Call <see cref="Start"/> or <see cref="Run"/> next.</summary>
    public SocketChannel(SocketLine line, string peer, ChannelOptions options)
    {
        _line = line;
        _options = options;
        Peer = peer;
        _traffic = line.Socket.AddressFamily == AddressFamily.Unix ? ChannelTraffic.Unix : line.IsEncrypted ? ChannelTraffic.Tls : ChannelTraffic.Tcp;
        _posts = new FrameQueue(options.MaximumPostedFrames);
        _writer = ChannelThread.Create($"channel writer {peer}", Write);
        _reader = Thread.CurrentThread;
    }

    public string Peer { get; }

    public bool IsOpen => Volatile.Read(ref _reason) is null;

    /// <summary>Reads on a thread of its own.</summary>
    public void Start(IFrameHandler handler)
    {
        _reader = ChannelThread.Create($"channel reader {Peer}", () => Read(handler));
        _writer.Start();
        _reader.Start();
    }

    /// <summary>Reads on this thread until the channel is closed.</summary>
    public void Run(Func<IChannel, IFrameHandler> accept)
    {
        _writer.Start();
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
        Exception failure;
        bool cut;
        lock (_sending)
        {
            if (!IsOpen) throw new ChannelClosedException($"channel to {Peer} is closed: {_reason}");
            var sent = header;
            sent.PayloadBytes = payload.Length;
            FrameFormat.Write(sent, _staging);
            var staged = Math.Min(payload.Length, StagedBytes);
            payload[..staged].CopyTo(_staging.AsSpan(FrameFormat.HeaderBytes));
            try
            {
                _line.SendAll(_staging.AsSpan(0, FrameFormat.HeaderBytes + staged));
                _line.SendAll(payload[staged..]);
                _traffic.Sent(payload.Length);
                return;
            }
            catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
            {
                // Within the lock: the next sender must not go on after half a frame.
                failure = e;
                cut = Cut(Lost(e));
            }
        }

        // Outside the lock: releases run foreign code, which may wait for another sender.
        if (cut) _posts.Close();
        throw new ChannelClosedException($"channel to {Peer} is closed: {_reason}", failure);
    }

    public void Post(in FrameHeader header, IPayload payload)
    {
        Admission admission;
        try
        {
            FrameRules.CheckOutgoing(header, payload.Bytes.Length, _options.MaximumPayloadBytes);
            admission = _posts.TryAdd(header, payload);
        }
        catch
        {
            payload.Release();
            throw;
        }

        if (admission == Admission.Added) return;
        if (admission == Admission.Full) Close(FrameRules.Overflow(_posts.Capacity));
        payload.Release();
    }

    public void Dispose()
    {
        Close(FrameRules.ClosedHere);
        ChannelThread.Join(_reader);
    }

    private void Write()
    {
        while (_posts.TryTake(out var frame))
        {
            try
            {
                try { Send(frame.Header, frame.Payload.Bytes); }
                finally { frame.Payload.Release(); }
            }
            catch (ChannelClosedException)
            {
                // The reader reports it; what is left in the queue was released by Close.
            }
            catch (Exception e)
            {
                Close($"posted payload failed: {e.Message}");
            }
        }
    }

    private void Read(IFrameHandler? handler)
    {
        try
        {
            Span<byte> bytes = stackalloc byte[FrameFormat.HeaderBytes];
            while (IsOpen) ReadFrame(handler!, bytes);
        }
        catch (Exception e)
        {
            Close(e is SocketException or ObjectDisposedException || (e is IOException and not ChannelClosedException) ? Lost(e) : e.Message);
        }

        if (handler is not null) FrameRules.Closed(handler, this, _reason!);
        _writer.Join();

        // Within the lock: a sender that is just being cut off is still inside the stream.
        lock (_sending) _line.Dispose();
    }

    private void ReadFrame(IFrameHandler handler, Span<byte> bytes)
    {
        var received = _line.ReceiveAll(bytes);
        if (received == 0) throw new ChannelClosedException("the peer closed the connection");
        if (received < bytes.Length) throw Truncated();
        var problem = FrameFormat.Read(bytes, out var header) ?? FrameRules.ProblemOf(header, _options.MaximumPayloadBytes);
        if (problem is not null) throw new ChannelClosedException(problem);

        _traffic.Received(header.PayloadBytes);
        if (!FrameRules.Reserve(handler, this, header, out var span))
        {
            Drop(header.PayloadBytes);
            return;
        }

        var whole = false;
        try
        {
            whole = _line.ReceiveAll(span) == span.Length;
            if (!whole) throw Truncated();
        }
        finally
        {
            if (!whole) FrameRules.Abandoned(handler, this, header);
        }

        FrameRules.Complete(handler, this, header);
    }

    private void Drop(int length)
    {
        while (length > 0)
        {
            var part = _dropped.AsSpan(0, Math.Min(length, _dropped.Length));
            if (_line.ReceiveAll(part) < part.Length) throw Truncated();
            length -= part.Length;
        }
    }

    private void Close(string reason)
    {
        if (Cut(reason)) _posts.Close();
    }

    /// <summary>Ends all calls on the socket. True for the first caller, who has to close the queue as well.</summary>
    private bool Cut(string reason)
    {
        if (Interlocked.CompareExchange(ref _reason, reason, null) is not null) return false;
        _line.ShutDown();
        return true;
    }

    private static ChannelClosedException Truncated() => new("the peer closed the connection in the middle of a frame");

    private static string Lost(Exception e) =>
        (e as SocketException ?? e.InnerException as SocketException) is { } s ? $"connection lost ({s.SocketErrorCode})" : $"connection lost ({e.Message})";
}
