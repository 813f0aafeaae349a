namespace DistributedTrainer.Channels.Tests.Support;

/// <summary>Keeps what it is called with, and watches that the calls keep the rules of <see cref="IFrameHandler"/>.</summary>
internal sealed class RecordingHandler : IFrameHandler
{
    private readonly object _gate = new();
    private readonly List<(FrameHeader Header, byte[] Payload)> _frames = [];
    private readonly List<string> _broken = [];
    private readonly ManualResetEventSlim _closed = new();
    private byte[]? _reserved;
    private int _inside;
    private int _abandoned;
    private int _refused;
    private int _closings;
    private string? _reason;

    public Func<FrameHeader, bool> Refuses { get; init; } = _ => false;

    public Action<IChannel, FrameHeader> OnReserve { get; init; } = (_, _) => { };

    public Action<IChannel, FrameHeader> OnComplete { get; init; } = (_, _) => { };

    public Action<IChannel> OnClosed { get; init; } = _ => { };

    /// <summary>Length of the span that Reserve gives, when it shall be wrong.</summary>
    public Func<int, int> LengthFor { get; init; } = length => length;

    /// <summary>False: payloads are received into one buffer and not kept.</summary>
    public bool Keeps { get; init; } = true;

    public (FrameHeader Header, byte[] Payload)[] Frames
    {
        get { lock (_gate) return [.. _frames]; }
    }

    public int Abandonments => Volatile.Read(ref _abandoned);

    public int Refusals => Volatile.Read(ref _refused);

    public int Closings => Volatile.Read(ref _closings);

    public Span<byte> Reserve(IChannel channel, in FrameHeader header)
    {
        Enter("Reserve", _reserved is null);
        var copy = header;
        try { OnReserve(channel, copy); }
        finally { Leave(); }

        if (Refuses(header) && header.PayloadBytes > 0)
        {
            Interlocked.Increment(ref _refused);
            return [];
        }

        var place = new byte[LengthFor(header.PayloadBytes)];
        // A place of another length is misuse: the frame is not heard of again.
        if (place.Length == header.PayloadBytes) _reserved = place;
        return place;
    }

    public void Complete(IChannel channel, in FrameHeader header)
    {
        Enter("Complete", _reserved is not null);
        lock (_gate)
        {
            _frames.Add((header, Keeps ? _reserved! : []));
            Monitor.PulseAll(_gate);
        }

        _reserved = null;
        var copy = header;
        try { OnComplete(channel, copy); }
        finally { Leave(); }
    }

    public void Abandoned(IChannel channel, in FrameHeader header)
    {
        Enter("Abandoned", _reserved is not null);
        _reserved = null;
        Interlocked.Increment(ref _abandoned);
        Leave();
    }

    public void Closed(IChannel channel, string reason)
    {
        Enter("Closed", _reserved is null);
        _reason = reason;
        Interlocked.Increment(ref _closings);
        OnClosed(channel);
        Leave();
        _closed.Set();
    }

    public (FrameHeader Header, byte[] Payload)[] AwaitFrames(int count)
    {
        var end = DateTime.UtcNow + Patience.Limit;
        lock (_gate)
        {
            while (_frames.Count < count)
            {
                var left = end - DateTime.UtcNow;
                if (left <= TimeSpan.Zero || !Monitor.Wait(_gate, left) && _frames.Count < count)
                    Assert.Fail($"{_frames.Count} of {count} frames came; closed: {_reason ?? "no"}; broken rules: {string.Join("; ", _broken)}");
            }

            return [.. _frames];
        }
    }

    /// <summary>The reason.</summary>
    public string AwaitClosed()
    {
        _closed.Await("Closed");
        return _reason!;
    }

    public void AssertRulesKept()
    {
        lock (_gate) Assert.Empty(_broken);
        Assert.InRange(Closings, 0, 1);
    }

    private void Enter(string call, bool isInOrder)
    {
        if (Interlocked.Exchange(ref _inside, 1) != 0) Broken($"{call} while another call ran");
        if (!isInOrder) Broken($"{call} out of order");
        if (Volatile.Read(ref _closings) != 0) Broken($"{call} after Closed");
    }

    private void Leave() => Volatile.Write(ref _inside, 0);

    private void Broken(string what)
    {
        lock (_gate) _broken.Add(what);
    }
}
