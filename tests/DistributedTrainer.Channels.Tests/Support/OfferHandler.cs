namespace DistributedTrainer.Channels.Tests.Support;

/// <summary>Takes what it is offered, and keeps it until it is told to give it back; the rest is copied.</summary>
internal sealed class OfferHandler : IFrameHandler
{
    private readonly RecordingHandler _copies = new();
    private readonly object _gate = new();
    private readonly List<(FrameHeader Header, IPayloadLease Lease)> _taken = [];

    /// <summary>Decides about an offer. Default: takes all.</summary>
    public Func<FrameHeader, IPayloadLease, bool> Takes { get; init; } = (_, _) => true;

    /// <summary>Frames that came by the other way.</summary>
    public RecordingHandler Copies => _copies;

    public bool Offer(IChannel channel, in FrameHeader header, IPayloadLease lease)
    {
        Assert.Equal(header.PayloadBytes, lease.Bytes.Length);
        if (!Takes(header, lease)) return false;
        lock (_gate)
        {
            _taken.Add((header, lease));
            Monitor.PulseAll(_gate);
        }

        return true;
    }

    public Span<byte> Reserve(IChannel channel, in FrameHeader header) => _copies.Reserve(channel, header);

    public void Complete(IChannel channel, in FrameHeader header) => _copies.Complete(channel, header);

    public void Abandoned(IChannel channel, in FrameHeader header) => _copies.Abandoned(channel, header);

    public void Closed(IChannel channel, string reason) => _copies.Closed(channel, reason);

    public (FrameHeader Header, IPayloadLease Lease)[] AwaitLeases(int count)
    {
        var end = DateTime.UtcNow + Patience.Limit;
        lock (_gate)
        {
            while (_taken.Count < count)
            {
                var left = end - DateTime.UtcNow;
                if (left <= TimeSpan.Zero || !Monitor.Wait(_gate, left) && _taken.Count < count) Assert.Fail($"{_taken.Count} of {count} offers came");
            }

            return [.. _taken];
        }
    }
}
