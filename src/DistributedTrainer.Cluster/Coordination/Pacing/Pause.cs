namespace DistributedTrainer.Cluster.Coordination.Pacing;

/// <summary>The time until something that was in vain may be tried again. It doubles with each time, until it was long not in vain.</summary>
internal sealed class Pause
{
    public static readonly TimeSpan First = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    // What went well for this many of the last pauses goes well again.
    private const int Forgotten = 4;

    private TimeSpan? _vainAt;
    private TimeSpan _length;

    /// <summary>A pause twice as long.</summary>
    public static TimeSpan Twice(TimeSpan pause) => pause * 2 < Longest ? pause * 2 : Longest;

    /// <summary>Whether so much time is over since something that a pause of this length is forgotten.</summary>
    public static bool IsForgotten(TimeSpan pause, TimeSpan since) => since > Forgotten * pause;

    /// <summary>Whether it may be tried again.</summary>
    /// <param name="now">Now.</param>
    /// <param name="least">A pause that is shorter would cost too much.</param>
    public bool IsOver(TimeSpan now, TimeSpan least) => _vainAt is not { } at || (now - at >= _length && now - at >= least);

    /// <summary>It was in vain.</summary>
    public void Vain(TimeSpan now) => (_length, _vainAt) = (_vainAt is { } at && !IsForgotten(_length, now - at) ? Twice(_length) : First, now);
}
