using System.Buffers;

namespace DistributedTrainer.Channels.InProcess;

/// <summary>A copy of a payload, in pooled memory.</summary>
internal sealed class CopiedPayload : IPayload
{
    private readonly Pool _pool;
    private byte[] _bytes = [];
    private int _length;

    private CopiedPayload(Pool pool) => _pool = pool;

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);

    public void Release()
    {
        if (_bytes.Length > 0) ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = [];
        _pool.Return(this);
    }

    /// <summary>Keeps the objects of one sending end, so that a warm Send allocates nothing.</summary>
    internal sealed class Pool
    {
        private readonly Stack<CopiedPayload> _idle = new();

        public CopiedPayload Copy(ReadOnlySpan<byte> bytes)
        {
            CopiedPayload? payload;
            lock (_idle)
            {
                if (!_idle.TryPop(out payload)) payload = new CopiedPayload(this);
            }

            payload._bytes = bytes.IsEmpty ? [] : ArrayPool<byte>.Shared.Rent(bytes.Length);
            payload._length = bytes.Length;
            bytes.CopyTo(payload._bytes);
            return payload;
        }

        public void Return(CopiedPayload payload)
        {
            lock (_idle) _idle.Push(payload);
        }
    }
}
