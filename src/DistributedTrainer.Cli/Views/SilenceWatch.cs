namespace DistributedTrainer.Cli.Views;

/// <summary>
/// Tells when nothing has been heard for long of whom one waits for, once each time. A coordinator tells how a run stands
/// several times a second, whatever the run does.
/// </summary>
internal sealed class SilenceWatch : IDisposable
{
    /// <summary>What may be the network or a busy machine is over by then.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly Action<TimeSpan> _silent;
    private long _heardAt;
    private int _isTold;

    /// <param name="time">Now.</param>
    /// <param name="silent">Told how long it has been silent.</param>
    public SilenceWatch(TimeProvider time, Action<TimeSpan> silent)
    {
        (_time, _silent, _heardAt) = (time, silent, time.GetTimestamp());
        _timer = time.CreateTimer(static watch => ((SilenceWatch)watch!).Look(), this, Interval, Interval);
    }

    public bool IsSilent => _time.GetElapsedTime(Interlocked.Read(ref _heardAt)) >= Limit;

    /// <summary>Something was heard.</summary>
    public void Heard()
    {
        Interlocked.Exchange(ref _heardAt, _time.GetTimestamp());
        Interlocked.Exchange(ref _isTold, 0);
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        if (IsSilent && Interlocked.Exchange(ref _isTold, 1) == 0)
        {
            _silent(_time.GetElapsedTime(Interlocked.Read(ref _heardAt)));
        }
    }
}
