namespace DistributedTrainer.Channels.InProcess;

/// <summary>A posted payload in the hands of the receiver: the sender's own memory.</summary>
internal sealed class LentPayload : IPayloadLease
{
    private readonly Pool _pool;
    private IPayload? _payload;

    private LentPayload(Pool pool) => _pool = pool;

    public ReadOnlySpan<byte> Bytes
    {
        get
        {
            var payload = Volatile.Read(ref _payload);
            ObjectDisposedException.ThrowIf(payload is null, this);
            return payload.Bytes;
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _payload, null) is not { } payload) return;
        _pool.Return(this);
        payload.Release();
    }

    /// <summary>The receiver declined: the payload is the channel's again. False: it was given back all the same.</summary>
    public bool TryTakeBack()
    {
        if (Interlocked.Exchange(ref _payload, null) is null) return false;
        _pool.Return(this);
        return true;
    }

    /// <summary>Keeps the objects of one receiving end, so that a warm channel allocates nothing.</summary>
    internal sealed class Pool
    {
        private readonly Stack<LentPayload> _idle = new();

        public LentPayload Lend(IPayload payload)
        {
            LentPayload? lent;
            lock (_idle)
            {
                if (!_idle.TryPop(out lent)) lent = new LentPayload(this);
            }

            Volatile.Write(ref lent._payload, payload);
            return lent;
        }

        public void Return(LentPayload lent)
        {
            lock (_idle) _idle.Push(lent);
        }
    }
}
