using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// Whether a worker that is alive reaches the servers. Whoever loses a connection is given the chance to connect anew while
/// the others wait, which takes milliseconds where the line is whole. One that does not get through, or not for long, is
/// not waited for: it connects without shards, and gets some when it has. Time is given, never asked for.
/// </summary>
internal sealed class WorkerLinks
{
    // A connection that is lost again within this time is not waited for.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    // What a worker sent before it died has arrived by then.
    private static readonly TimeSpan LeastAway = TimeSpan.FromSeconds(1);

    // To half a minute: a line that lets connections through, and then nothing more, is tried seldom.
    private const int MostDoublings = 5;

    private NodeId? _server;
    private TimeSpan? _connectedAt;
    private int _losses;

    /// <summary>It was given the chance, in vain.</summary>
    public bool IsUnreached { get; private set; }

    /// <summary>Whether it has not got through to all servers, as it says; so it is taken to be until it says otherwise.</summary>
    public bool IsConnecting { get; private set; }

    /// <summary>How long it stays away at least, once it was cut off.</summary>
    public TimeSpan Away => IsUnreached ? LeastAway * (1 << Math.Min(_losses - 1, MostDoublings)) : LeastAway;

    /// <summary>It tells how it is.</summary>
    public void Told(Protocol.Workers.Status status) => IsConnecting = status.State == Protocol.Workers.Status.Connecting;

    /// <summary>It has lost a connection, or has not got one. Returns whether the others are to wait until it has connected anew.</summary>
    public bool Lost(NodeId server, TimeSpan now)
    {
        var again = IsConnecting || (server == _server && now - _connectedAt < Patience);
        if (IsUnreached)
        {
            return false;
        }

        _losses = again ? _losses + 1 : 0;
        (IsUnreached, IsConnecting, _server, _connectedAt) = (again, true, server, now);
        return !again;
    }

    /// <summary>It gets shards again, after it was cut off.</summary>
    public void Back(TimeSpan now) => (IsUnreached, _connectedAt) = (false, now);

    /// <summary>Other servers, or the same anew: what was is of no interest. Returns whether it was cut off because of them.</summary>
    public bool Forget()
    {
        var was = IsUnreached;
        (IsUnreached, IsConnecting, _server, _connectedAt, _losses) = (false, false, null, null, 0);
        return was;
    }
}
