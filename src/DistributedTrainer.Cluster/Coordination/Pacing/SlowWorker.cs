namespace DistributedTrainer.Cluster.Coordination.Pacing;

/// <summary>
/// What is held against a worker that was found to be slow, and when it deserves another chance. Each chance that it does
/// not use doubles the time to the next, so that a worker that stays slow costs ever less.
/// </summary>
internal sealed class SlowWorker
{
    private TimeSpan? _changedAt;

    /// <summary>Time for a shard, relative to the others; 1: it is not slow (any more).</summary>
    public double Pace { get; private set; } = 1;

    public bool IsSlow => Pace > 1;

    /// <summary>Whether the others cannot be compared with it.</summary>
    public bool IsSuspect => IsSlow || IsTried;

    /// <summary>Whether it has more shards than its pace deserves, to see whether it has become faster.</summary>
    public bool IsTried { get; private set; }

    /// <summary>What grows if it is not slow after all: it was not sure.</summary>
    public List<Pause> Doubts { get; private set; } = [];

    /// <summary>From a chance that was not used to the next.</summary>
    public TimeSpan Pause { get; private set; } = Pacing.Pause.First;

    /// <summary>As it is now, whatever becomes of it.</summary>
    public SlowWorker Copy() => (SlowWorker)MemberwiseClone();

    /// <summary>Whether it deserves a chance.</summary>
    /// <param name="now">Now.</param>
    /// <param name="least">A pause that is shorter would cost too much.</param>
    public bool IsDue(TimeSpan now, TimeSpan least) => IsSlow && !IsTried && now - _changedAt >= (Pause > least ? Pause : least);

    /// <summary>It is slow, or slower than it was thought to be.</summary>
    public void Slowed(double pace, TimeSpan now)
    {
        if (IsTried || (!IsSlow && _changedAt is { } at && !Pacing.Pause.IsForgotten(Pause, now - at)))
        {
            Pause = Pacing.Pause.Twice(Pause);
        }
        else if (!IsSlow)
        {
            Pause = Pacing.Pause.First;
        }

        Doubts = [];
        Change(pace, false, now);
    }

    /// <summary>It may be slow, or so slow.</summary>
    public void Doubted(double pace, Pause doubt, TimeSpan now)
    {
        Pause = Pacing.Pause.First;
        Doubts = [.. Doubts, doubt];
        Change(pace, false, now);
    }

    /// <summary>It gets a chance with this pace.</summary>
    public void Try(double pace, TimeSpan now) => Change(pace, true, now);

    /// <summary>The chance was not used: this was held against it before, and is again.</summary>
    public void Withdraw(TimeSpan now)
    {
        Pause = Pacing.Pause.Twice(Pause);
        Postpone(now);
    }

    /// <summary>It had been withdrawn for what was not its fault: the next one comes at once.</summary>
    public void Again()
    {
        Pause /= 2;
        _changedAt -= Pause;
    }

    /// <summary>The chance cannot be given, or not to its end.</summary>
    public void Postpone(TimeSpan now) => Change(Pace, false, now);

    /// <summary>It has this pace from now on, which is better than before.</summary>
    public void Recovered(double pace, TimeSpan now)
    {
        Doubts = [];
        Change(pace, false, now);
    }

    private void Change(double pace, bool tried, TimeSpan now) => (Pace, IsTried, _changedAt) = (pace, tried, now);
}
