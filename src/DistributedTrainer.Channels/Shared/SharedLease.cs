namespace DistributedTrainer.Channels.Shared;

/// <summary>What is lent to this end in one slot. Used again for the next payload of the slot.</summary>
internal sealed unsafe class SharedLease(SharedChannel channel, int slot) : IPayloadLease
{
    private byte* _start;
    private int _length;
    private int _held;

    public bool IsHeld => Volatile.Read(ref _held) != 0;

    public ReadOnlySpan<byte> Bytes
    {
        get
        {
            ObjectDisposedException.ThrowIf(!IsHeld, this);
            return new ReadOnlySpan<byte>(_start, _length);
        }
    }

    /// <summary>False: the slot is in use, which the sender should know.</summary>
    public bool TryOpen(byte* start, int length)
    {
        if (IsHeld) return false;
        _start = start;
        _length = length;
        Volatile.Write(ref _held, 1);
        return true;
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _held, 0) != 0) channel.GiveBack(slot);
    }
}
