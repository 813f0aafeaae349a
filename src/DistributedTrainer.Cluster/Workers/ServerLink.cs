using System.Runtime.InteropServices;
using System.Text;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Servers;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>The worker's end of one connection to a server node.</summary>
/// <param name="server">The node.</param>
/// <param name="inbox">Where what arrives belongs.</param>
/// <param name="received">Told how long each payload was.</param>
/// <param name="clock">Tells the time.</param>
/// <param name="relay">Passes a frame on to the other servers.</param>
internal sealed class ServerLink(string server, WorkerInbox inbox, Action<int> received, TimeProvider clock, Action<ServerLink, FrameHeader, byte[]> relay) : IFrameHandler
{
    // A line may be as slow as this; what takes longer is not under way any more.
    private const double BytesPerSecond = 1e6;

    private byte[] _refusal = [];
    private double[] _total = [];
    private byte[] _answer = [];
    private byte[] _relayed = [];
    private volatile bool _retired;
    private long _askedAt;

    public string Server => server;

    public IChannel Channel { get; set; } = null!;

    /// <summary>Whether what is sent goes over a network, where bytes cost more than making them fewer.</summary>
    public bool IsNetwork => Channel.Peer.StartsWith("tcp://", StringComparison.Ordinal);

    /// <summary>Bytes that are under way at most while an answer is awaited: what was pushed of the step, and what comes back. The step thread's.</summary>
    public long BytesUnderWay { get; set; }

    /// <summary>Whether the step thread hands over what comes, instead of the channel's own thread. The step thread's.</summary>
    public bool IsAttended { get; set; }

    public void Retire()
    {
        _retired = true;
        Channel.Dispose();
    }

    /// <summary>A question goes out: any frame that comes from now on is a sign of life.</summary>
    public void Asked()
    {
        if (Volatile.Read(ref _askedAt) == 0)
        {
            Volatile.Write(ref _askedAt, clock.GetTimestamp());
        }
    }

    /// <summary>How long the server has said nothing since it was asked, if that is more than it may take; else null.</summary>
    public TimeSpan? SilentFor(TimeSpan limit)
    {
        var asked = Volatile.Read(ref _askedAt);
        if (asked == 0)
        {
            return null;
        }

        var silent = clock.GetElapsedTime(asked);
        return silent > limit + TimeSpan.FromSeconds(BytesUnderWay / BytesPerSecond) ? silent : null;
    }

    public Span<byte> Reserve(IChannel channel, in FrameHeader header)
    {
        Heard();
        switch (header.Kind)
        {
            case FrameKind.Parameters:
                return inbox.PlaceFor(header);
            case FrameKind.Residual:
                return inbox.ResidualPlaceFor(header);
            case FrameKind.StatisticsTotal:
                if (header.PayloadBytes % sizeof(double) != 0
                    || !inbox.AwaitsTotal(header.Count, (header.Flags & StatisticsFlags.Backward) != 0, header.Step, header.PayloadBytes / sizeof(double)))
                {
                    return [];
                }

                _total = _total.Length * sizeof(double) < header.PayloadBytes ? new double[header.PayloadBytes / sizeof(double)] : _total;
                return MemoryMarshal.AsBytes(_total.AsSpan())[..header.PayloadBytes];
            case FrameKind.Reply when header.PayloadBytes <= inbox.AnswerBytes:
                _answer = _answer.Length == header.PayloadBytes ? _answer : new byte[header.PayloadBytes];
                return _answer;
            case FrameKind.Norm when header.PayloadBytes <= inbox.NormBytes:
                // Not to be used again: it is passed on as it is.
                _relayed = new byte[header.PayloadBytes];
                return _relayed;
            case FrameKind.Refused when header.PayloadBytes <= 4096:
                _refusal = new byte[header.PayloadBytes];
                return _refusal;
            default:
                return [];
        }
    }

    public bool Offer(IChannel channel, in FrameHeader header, IPayloadLease lease)
    {
        Heard();
        if (header.Kind != FrameKind.Parameters || !inbox.Borrow(header, lease))
        {
            return false;
        }

        received(header.PayloadBytes);
        return true;
    }

    public void Complete(IChannel channel, in FrameHeader header)
    {
        Heard();
        received(header.PayloadBytes);
        switch (header.Kind)
        {
            case FrameKind.Parameters:
                if (inbox.Arrived(header) is { } damage)
                {
                    inbox.Break(server, damage);
                }

                break;
            case FrameKind.Residual:
                inbox.ResidualArrived(header);
                break;
            case FrameKind.StatisticsTotal:
                inbox.TotalArrived(
                    header.Count, (header.Flags & StatisticsFlags.Backward) != 0, header.Step, header.Rows, _total.AsSpan(0, header.PayloadBytes / sizeof(double)));
                break;
            case FrameKind.Verdict:
                inbox.VerdictArrived(header.Generation, header.Step, header.Count, (header.Flags & EvaluationBoard.StopFlag) != 0);
                break;
            case FrameKind.Reply when header is { Count: 0, Partition: 0 }:
                inbox.LeadIsAt(header.Generation, header.Step);
                break;
            case FrameKind.Reply:
                inbox.AnswerArrived(header.Partition, header.Count, header.Step, _answer);
                break;
            case FrameKind.Norm:
                relay(this, header, _relayed);
                break;
            case FrameKind.Refused when header.Count == ServerConnection.StaleGeneration:
                // The new assignment is under way, and everything is pushed again under it.
                break;
            case FrameKind.Refused when inbox.Concerns((FrameKind)header.Flags, header.Partition, header.Step):
                inbox.Break(server, $"the server refused {(FrameKind)header.Flags}: {Encoding.UTF8.GetString(_refusal)}");
                break;
        }
    }

    public void Abandoned(IChannel channel, in FrameHeader header)
    {
    }

    public void Closed(IChannel channel, string reason)
    {
        if (!_retired)
        {
            inbox.Break(server, reason);
        }
    }

    private void Heard()
    {
        if (Volatile.Read(ref _askedAt) != 0)
        {
            Volatile.Write(ref _askedAt, 0);
        }
    }
}
