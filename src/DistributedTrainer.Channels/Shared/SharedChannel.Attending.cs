using DistributedTrainer.Channels.Internal;

namespace DistributedTrainer.Channels.Shared;

/// <summary>A thread that waits for frames hands them over by itself: one that has to be woken for it costs tens of microseconds.</summary>
internal sealed partial class SharedChannel
{
    // Held by whoever hands frames over: the reader, or who attends.
    private readonly object _reading = new();

    // The reader's handler, once it reads.
    private IFrameHandler? _handler;

    // Nothing comes any more. Within the lock, as what follows.
    private bool _over;
    private bool _attending;

    // What the bell showed before the last look.
    private uint _seen;

    public bool TryAttend()
    {
        // The reader is at work, or at its end.
        if (Volatile.Read(ref _handler) is null || !Monitor.TryEnter(_reading)) return false;
        if (_over)
        {
            Monitor.Exit(_reading);
            return false;
        }

        _attending = true;
        _segment.Arrivals.Attend(true);
        // What came before has rung already.
        _seen = _segment.Arrivals.Ticket - 1;
        return true;
    }

    public void Poll()
    {
        if (_segment.Arrivals.Ticket == _seen || _over) return;
        using (ChannelThread.Acting()) _over = !ReadAll(_handler!, out _seen);
    }

    public void Unattend()
    {
        _attending = false;
        _segment.Arrivals.Attend(false);
        // The reader does the rest, also where the channel is closed.
        var rung = _over || _segment.Arrivals.Ticket != _seen;
        if (rung) _segment.Arrivals.Wake();
        Monitor.Exit(_reading);
    }
}
