namespace DistributedTrainer.Cluster.Workers;

/// <summary>How long a worker hears nothing before it asks, and before it believes that nobody hears it.</summary>
internal sealed record ResendTimes
{
    public static readonly ResendTimes Default = new();

    /// <summary>Before the first repetition, unless several times the usual wait are longer. Default: 250 ms.</summary>
    public TimeSpan First { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>The longest time between two repetitions, which doubles up to it. Default: 4 s.</summary>
    public TimeSpan Longest { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>
    /// A server that does not answer a question for so long is not reached over this connection. To be added: the time
    /// that a slow line needs for what is under way. Default: 10 s.
    /// </summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// For so long whoever waits looks for what comes by itself, again and again: as long as a server takes for half a million
    /// parameters; with more the time that a sleeping core needs to wake matters less. Default: 1 ms.
    /// </summary>
    public TimeSpan Alert { get; init; } = TimeSpan.FromMilliseconds(1);

    /// <summary>Tells the time.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>
/// When a wait has become so long that what was sent is to be repeated: several times as long as such a wait is usually,
/// and each time twice as long as before. The step thread alone uses it.
/// </summary>
internal sealed class RepeatTimer(ResendTimes times)
{
    private const int TimesTheUsual = 4;

    private TimeSpan _usual;
    private TimeSpan _delay;
    private long _start;
    private long _last;
    private bool _lost;

    /// <summary>Until the next repetition; zero: it is due.</summary>
    public TimeSpan Remaining
    {
        get
        {
            var remaining = _delay - times.Clock.GetElapsedTime(_last);
            return remaining > TimeSpan.Zero ? remaining : TimeSpan.Zero;
        }
    }

    /// <summary>A wait begins.</summary>
    public void Begin()
    {
        _start = _last = times.Clock.GetTimestamp();
        _lost = false;
        _delay = First;
    }

    /// <summary>It was repeated: twice as long to the next time.</summary>
    public void Repeated()
    {
        _last = times.Clock.GetTimestamp();
        _delay = _delay * 2 < Most ? _delay * 2 : Most;
    }

    /// <summary>Something was lost, and has been sent again: from here on it is a new wait.</summary>
    public void Mended()
    {
        (_lost, _last) = (true, times.Clock.GetTimestamp());
        _delay = First;
    }

    /// <summary>The wait is over. One in which something was lost says nothing about the usual.</summary>
    public void End()
    {
        if (!_lost)
        {
            _usual += (times.Clock.GetElapsedTime(_start) - _usual) / 8;
        }
    }

    private TimeSpan First => _usual * TimesTheUsual > times.First ? Min(_usual * TimesTheUsual, Most) : times.First;

    private TimeSpan Most => times.Longest > times.First ? times.Longest : times.First;

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
