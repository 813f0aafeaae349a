namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// What is held against a worker that was found to be slow, and when it deserves another chance. Each chance that it does
/// not use doubles the time to the next, so that a worker that stays slow costs ever less.
/// </summary>
internal sealed class SlowWorker
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(10);

    // Who was fast for this many of its last pauses has shown that it is well again.
    private const int Forgotten = 4;

    private TimeSpan? _changedAt;
    private double _before;

    /// <summary>Time for a shard, relative to the others; 1: it is not slow (any more).</summary>
    public double Pace { get; private set; } = 1;

    public bool IsSlow => Pace > 1;

    /// <summary>Whether the others cannot be compared with it.</summary>
    public bool IsSuspect => IsSlow || IsTried;

    /// <summary>Whether it has more shards than its pace deserves, to see whether it has become faster.</summary>
    public bool IsTried { get; private set; }

    /// <summary>From a chance that was not used to the next.</summary>
    public TimeSpan Pause { get; private set; } = FirstPause;

    /// <summary>Whether it deserves a chance.</summary>
    /// <param name="now">Now.</param>
    /// <param name="least">A pause that is shorter would cost too much.</param>
    public bool IsDue(TimeSpan now, TimeSpan least) => IsSlow && !IsTried && now - _changedAt >= (Pause > least ? Pause : least);

    /// <summary>It is slow, or slower than it was thought to be.</summary>
    public void Slowed(double pace, TimeSpan now)
    {
        if (IsTried || (!IsSlow && now - _changedAt <= Forgotten * Pause))
        {
            Pause = Longer;
        }
        else if (!IsSlow)
        {
            Pause = FirstPause;
        }

        Change(pace, false, now);
    }

    /// <summary>It gets a chance with this pace.</summary>
    public void Try(double pace, TimeSpan now)
    {
        _before = Pace;
        Change(pace, true, now);
    }

    /// <summary>The chance was not used.</summary>
    public void Withdraw(TimeSpan now)
    {
        Pause = Longer;
        Change(_before, false, now);
    }

    /// <summary>The chance cannot be given, or not to its end.</summary>
    public void Postpone(TimeSpan now) => Change(IsTried ? _before : Pace, false, now);

    /// <summary>It has this pace from now on, which is better than before.</summary>
    public void Recovered(double pace, TimeSpan now) => Change(pace, false, now);

    private TimeSpan Longer => Pause * 2 < LongestPause ? Pause * 2 : LongestPause;

    private void Change(double pace, bool tried, TimeSpan now) => (Pace, IsTried, _changedAt) = (pace, tried, now);
}
