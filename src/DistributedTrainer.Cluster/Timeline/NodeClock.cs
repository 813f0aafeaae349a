using System.Diagnostics;

namespace DistributedTrainer.Cluster.Timeline;

/// <summary>
/// The clock of this process, and how far it is from the coordinator's. Hosts have clocks of their own; each time a node
/// registers, the answer says what the coordinator's clock showed. In the middle between question and answer, give or take
/// half of the time between them: of the last exchanges the shortest counts (as in NTP; Mills, RFC 5905, 2010).
/// </summary>
internal sealed class NodeClock
{
    // With one every two seconds: a drift of 50 parts in a million makes 1.6 ms in that time.
    private const int Exchanges = 16;

    // The wall's clock once, and from then on one that nobody sets: times only grow.
    private static readonly (DateTime Wall, long Timestamp) Start = (DateTime.UtcNow, Stopwatch.GetTimestamp());

    private readonly Lock _gate = new();
    private readonly Queue<ClockOffset> _last = [];
    private ClockOffset? _best;

    /// <summary>Microseconds since 1970 by this process's clock.</summary>
    public static long Now => At(Stopwatch.GetTimestamp());

    /// <summary>How far it is from the coordinator's; null: not known yet.</summary>
    public ClockOffset? Offset
    {
        get
        {
            lock (_gate)
            {
                return _best;
            }
        }
    }

    /// <summary>The same of a moment in ticks.</summary>
    public static long At(long timestamp) => (long)(Start.Wall + Stopwatch.GetElapsedTime(Start.Timestamp, timestamp) - DateTime.UnixEpoch).TotalMicroseconds;

    /// <summary>Notes an exchange, in microseconds.</summary>
    /// <param name="sent">When the question left, by this clock.</param>
    /// <param name="answered">When it was answered, by the coordinator's.</param>
    /// <param name="received">When the answer came, by this clock.</param>
    public void Exchanged(long sent, long answered, long received)
    {
        if (received < sent || answered == 0)
        {
            // A question of another process under this name.
            return;
        }

        lock (_gate)
        {
            _last.Enqueue(new ClockOffset(answered - sent - ((received - sent) / 2), (received - sent + 1) / 2));
            if (_last.Count > Exchanges)
            {
                _last.Dequeue();
            }

            _best = _last.MinBy(static offset => offset.Error);
        }
    }

    /// <summary>The coordinator is on this machine, and has this clock.</summary>
    public void IsTheSame()
    {
        lock (_gate)
        {
            _best = default(ClockOffset);
        }
    }

    /// <summary>Another coordinator has another clock.</summary>
    public void Forget()
    {
        lock (_gate)
        {
            _last.Clear();
            _best = null;
        }
    }
}

/// <summary>What has to be added to a clock to get the coordinator's, and by how much that may be wrong, in microseconds.</summary>
internal readonly record struct ClockOffset(long Offset, long Error);
