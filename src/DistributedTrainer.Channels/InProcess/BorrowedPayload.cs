namespace DistributedTrainer.Channels.InProcess;

/// <summary>
/// The span of a blocked sender, copied from by the receiver: one copy instead of two. The sender leaves only when no
/// one reads the span any more. One per sending end, used again and again.
/// </summary>
internal sealed unsafe class BorrowedPayload : IPayload
{
    private enum State { Idle, Waiting, Taken, Copied, Dropped }

    private readonly object _gate = new();
    private byte* _start;
    private int _length;
    private State _state;
    private bool _cancelled;

    public ReadOnlySpan<byte> Bytes => new(_start, _length);

    /// <summary>
    /// The sender's: the memory must stay in place until <see cref="Wait"/> has returned. False once cancelled: the frame
    /// of an earlier sender may still be queued, and its receiver must not take these bytes for that one's.
    /// </summary>
    public bool TryLend(byte* start, int length)
    {
        lock (_gate)
        {
            if (_cancelled) return false;
            _start = start;
            _length = length;
            _state = State.Waiting;
            return true;
        }
    }

    /// <summary>The receiver's: false when the sender has gone; then the bytes must not be touched.</summary>
    public bool TryTake()
    {
        lock (_gate)
        {
            if (_state != State.Waiting) return false;
            _state = State.Taken;
            return true;
        }
    }

    /// <inheritdoc/>
    public void Release()
    {
        lock (_gate)
        {
            _state = _state == State.Taken ? State.Copied : State.Dropped;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Frees a waiting sender, unless the receiver is copying at this moment: that ends by itself. Nothing is lent any more.</summary>
    public void Cancel()
    {
        lock (_gate)
        {
            _cancelled = true;
            if (_state != State.Waiting) return;
            _state = State.Dropped;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>The sender's: true when the receiver took the bytes.</summary>
    public bool Wait()
    {
        lock (_gate)
        {
            while (_state is State.Waiting or State.Taken) Monitor.Wait(_gate);
            return _state == State.Copied;
        }
    }
}
