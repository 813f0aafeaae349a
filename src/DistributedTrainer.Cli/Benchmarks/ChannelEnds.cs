using DistributedTrainer.Channels;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>The answering end of a channel: takes payloads, and sends requests back.</summary>
internal sealed class AnsweringEnd : IFrameHandler
{
    private byte[] _payload = [];

    public Span<byte> Reserve(IChannel channel, in FrameHeader header)
    {
        if (_payload.Length < header.PayloadBytes)
        {
            _payload = GC.AllocateUninitializedArray<byte>(header.PayloadBytes, pinned: true);
        }

        return _payload.AsSpan(0, header.PayloadBytes);
    }

    public void Complete(IChannel channel, in FrameHeader header)
    {
        if (header.Kind == FrameKind.Request)
        {
            channel.Send(header with { Kind = FrameKind.Reply }, []);
        }
    }

    public void Abandoned(IChannel channel, in FrameHeader header)
    {
    }

    public void Closed(IChannel channel, string reason)
    {
    }
}

/// <summary>The asking end of a channel: waits for the reply to each request.</summary>
internal sealed class AskingEnd : IFrameHandler
{
    private readonly object _gate = new();
    private long _asked;
    private long _answered;
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

    public Span<byte> Reserve(IChannel channel, in FrameHeader header) => [];

    public void Complete(IChannel channel, in FrameHeader header)
    {
        lock (_gate)
        {
            _answered++;
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
            while (_answered < _asked)
            {
                if (_closed is not null)
                {
                    throw new ChannelClosedException(_closed);
                }

                Monitor.Wait(_gate);
            }
        }
    }
}
