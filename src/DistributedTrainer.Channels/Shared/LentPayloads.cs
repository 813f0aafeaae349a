namespace DistributedTrainer.Channels.Shared;

/// <summary>The sender's list of what it has lent, by slot. Thread-safe.</summary>
internal sealed class LentPayloads
{
    private readonly Lock _gate = new();
    private readonly IPayload?[] _lent = new IPayload?[Segment.Slots];
    private readonly Stack<int> _free = new(Enumerable.Range(0, Segment.Slots).Reverse());

    public bool IsEmpty
    {
        get { lock (_gate) return _free.Count == Segment.Slots; }
    }

    /// <summary>The slot; -1: all are taken.</summary>
    public int Add(IPayload payload)
    {
        lock (_gate)
        {
            if (!_free.TryPop(out var slot)) return -1;
            _lent[slot] = payload;
            return slot;
        }
    }

    /// <summary>What was lent in a slot; null: nothing.</summary>
    public IPayload? Take(int slot)
    {
        lock (_gate)
        {
            if (_lent[slot] is not { } payload) return null;
            _lent[slot] = null;
            _free.Push(slot);
            return payload;
        }
    }

    /// <summary>The receiver can't give anything back any more.</summary>
    public void ReleaseAll()
    {
        for (var slot = 0; slot < Segment.Slots; slot++)
        {
            // One that fails must not keep the others from being released.
            try { Take(slot)?.Release(); }
            catch { /* The channel is closed; there is nobody left to tell. */ }
        }
    }
}
