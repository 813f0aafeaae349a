namespace DistributedTrainer.Channels.Internal;

internal readonly record struct QueuedFrame(FrameHeader Header, IPayload Payload, bool Posted);

internal enum Admission { Added, Full, Closed }

/// <summary>
/// A bounded first-in first-out queue of frames between threads. It releases what nobody will take. Posted frames have
/// room of their own: senders that wait for theirs must not make a post overflow.
/// </summary>
internal sealed class FrameQueue(int capacity)
{
    private readonly object _gate = new();
    private readonly Queue<QueuedFrame> _frames = new();
    private int _posted;
    private bool _completed;

    public int Capacity => capacity;

    /// <summary>Adds a posted frame unless as many wait as may, or the queue is closed; then the payload stays the caller's.</summary>
    public Admission TryAdd(in FrameHeader header, IPayload payload)
    {
        lock (_gate)
        {
            if (_completed) return Admission.Closed;
            if (_posted >= capacity) return Admission.Full;
            _posted++;
            Add(new QueuedFrame(header, payload, Posted: true));
            return Admission.Added;
        }
    }

    /// <summary>Waits for room. False when the queue is closed; then the payload stays the caller's.</summary>
    public bool AddWhenRoom(in FrameHeader header, IPayload payload)
    {
        lock (_gate)
        {
            while (!_completed && _frames.Count >= capacity) Monitor.Wait(_gate);
            if (_completed) return false;
            Add(new QueuedFrame(header, payload, Posted: false));
            return true;
        }
    }

    /// <summary>Waits for a frame. False when the queue is completed and empty.</summary>
    public bool TryTake(out QueuedFrame frame)
    {
        lock (_gate)
        {
            while (_frames.Count == 0 && !_completed) Monitor.Wait(_gate);
            if (!_frames.TryDequeue(out frame)) return false;
            if (frame.Posted) _posted--;
            if (_frames.Count == capacity - 1) Monitor.PulseAll(_gate);
            return true;
        }
    }

    /// <summary>Takes no more frames; those in the queue can still be taken.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            _completed = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Takes no more frames and releases those in the queue.</summary>
    public void Close()
    {
        Complete();
        while (true)
        {
            QueuedFrame frame;
            lock (_gate)
            {
                if (!_frames.TryDequeue(out frame)) return;
            }

            // Outside the lock: a release runs foreign code. Its failure must not keep the others from being released.
            try { frame.Payload.Release(); }
            catch { /* The channel is closing; there is nobody left to tell. */ }
        }
    }

    private void Add(in QueuedFrame frame)
    {
        _frames.Enqueue(frame);
        // Only an empty queue has a waiting taker; PulseAll, since senders that wait for room share the gate.
        if (_frames.Count == 1) Monitor.PulseAll(_gate);
    }
}
