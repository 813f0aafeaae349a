using DistributedTrainer.Channels;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>The answering end of a channel: takes payloads, and sends requests back with the bytes that it has read in place so far.</summary>
internal sealed class AnsweringEnd : IFrameHandler
{
    private byte[] _payload = [];
    private long _readInPlace;

    public Span<byte> Reserve(IChannel channel, in FrameHeader header) => Room(header.PayloadBytes);

    // Reads every byte once, as a server does that sums or keeps it; without, nothing would move.
    public bool Offer(IChannel channel, in FrameHeader header, IPayloadLease lease)
    {
        lease.Bytes.CopyTo(Room(header.PayloadBytes));
        lease.Dispose();
        _readInPlace += header.PayloadBytes;
        return true;
    }

    public void Complete(IChannel channel, in FrameHeader header)
    {
        if (header.Kind == FrameKind.Request)
        {
            channel.Send(header with { Kind = FrameKind.Reply, Count = _readInPlace }, []);
        }
    }

    public void Abandoned(IChannel channel, in FrameHeader header)
    {
    }

    public void Closed(IChannel channel, string reason)
    {
    }

    private Span<byte> Room(int bytes)
    {
        if (_payload.Length < bytes)
        {
            _payload = GC.AllocateUninitializedArray<byte>(bytes, pinned: true);
        }

        return _payload.AsSpan(0, bytes);
    }
}

/// <summary>The asking end of a channel: waits for the reply to each request.</summary>
internal sealed class AskingEnd : IFrameHandler
{
    private readonly object _gate = new();
    private long _asked;
    private long _answered;
    private long _readInPlace;
    private string? _closed;

    /// <summary>Measures a channel whose other end is an <see cref="AnsweringEnd"/>.</summary>
    /// <exception cref="ChannelClosedException">The channel closed meanwhile.</exception>
    public MediumRate Measure(IChannel channel, int bytes, int windows)
    {
        var payload = GC.AllocateUninitializedArray<byte>(bytes, pinned: true);
        payload.AsSpan().Fill(1);
        var seconds = TimedWindows.Seconds(windows, count =>
        {
            for (var i = 0L; i < count; i++)
            {
                channel.Send(new FrameHeader { Kind = FrameKind.Push }, payload);
            }

            // Frames keep their order: with the reply all are through.
            RoundTrip(channel);
        });
        var trip = TimedWindows.Seconds(windows, count =>
        {
            for (var i = 0L; i < count; i++)
            {
                RoundTrip(channel);
            }
        });
        return new MediumRate(bytes / seconds / 1e6, trip * 1e6);
    }

    /// <summary>
    /// 10⁶ bytes a second of payloads that are lent: from posting until the receiver has read them through and given them
    /// back. Null: this channel, or this machine, lends none of that size.
    /// </summary>
    /// <exception cref="ChannelClosedException">The channel closed meanwhile.</exception>
    public double? MeasureLent(IChannel channel, int bytes, int windows)
    {
        using var payload = new LentPayload(bytes);
        var posted = 0L;
        Post(1);
        if (ReadInPlace() == 0)
        {
            return null;
        }

        var seconds = TimedWindows.Seconds(windows, Post);
        return ReadInPlace() == posted * bytes
            ? bytes / seconds / 1e6
            : throw new InvalidOperationException("the channel has lent some payloads and copied others; there is no one rate");

        void Post(long count)
        {
            payload.Post(channel, count);
            posted += count;
        }

        long ReadInPlace()
        {
            RoundTrip(channel);
            lock (_gate)
            {
                return _readInPlace;
            }
        }
    }

    /// <summary>Microseconds of a round trip where this thread looks for the answer by itself, as a worker's step thread does. Null: this channel cannot.</summary>
    /// <exception cref="ChannelClosedException">The channel closed meanwhile.</exception>
    public double? MeasureAttended(IChannel channel, int windows)
    {
        var attended = false;
        var seconds = TimedWindows.Seconds(windows, count =>
        {
            for (var i = 0L; i < count; i++)
            {
                attended |= AttendedRoundTrip(channel);
            }
        });
        return attended ? seconds * 1e6 : null;
    }

    public Span<byte> Reserve(IChannel channel, in FrameHeader header) => [];

    public void Complete(IChannel channel, in FrameHeader header)
    {
        lock (_gate)
        {
            _answered++;
            _readInPlace = header.Count;
            Monitor.Pulse(_gate);
        }
    }

    public void Abandoned(IChannel channel, in FrameHeader header)
    {
    }

    public void Closed(IChannel channel, string reason)
    {
        lock (_gate)
        {
            _closed = reason;
            Monitor.Pulse(_gate);
        }
    }

    private void RoundTrip(IChannel channel)
    {
        channel.Send(new FrameHeader { Kind = FrameKind.Request }, []);
        lock (_gate)
        {
            _asked++;
            while (!Answered())
            {
                Monitor.Wait(_gate);
            }
        }
    }

    /// <summary>False: the channel's own thread was at work all the time.</summary>
    private bool AttendedRoundTrip(IChannel channel)
    {
        channel.Send(new FrameHeader { Kind = FrameKind.Request }, []);
        _asked++;
        var attended = false;
        try
        {
            while (!Arrived())
            {
                if (attended || (attended = channel.TryAttend()))
                {
                    channel.Poll();
                }

                // The other end may need this core.
                Thread.Yield();
            }
        }
        finally
        {
            if (attended)
            {
                channel.Unattend();
            }
        }

        return attended;

        bool Arrived()
        {
            lock (_gate)
            {
                return Answered();
            }
        }
    }

    /// <summary>Within the lock.</summary>
    private bool Answered() =>
        _answered >= _asked || (_closed is null ? false : throw new ChannelClosedException(_closed));
}
