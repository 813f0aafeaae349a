namespace DistributedTrainer.Channels.Tests.Support;

/// <summary>A payload that lies in memory which peers can read in place. Counts its releases.</summary>
internal sealed class BufferPayload : IPayload, IDisposable
{
    private readonly SharedBuffer _buffer;
    private readonly int _length;
    private int _releases;

    public BufferPayload(byte[] content)
    {
        _buffer = SharedMemory.Allocate((content.Length + 3) / 4);
        _length = content.Length;
        content.CopyTo(_buffer.Bytes);
    }

    public ReadOnlySpan<byte> Bytes => _buffer.Bytes[.._length];

    public Span<byte> Writable => _buffer.Bytes[.._length];

    public int Releases => Volatile.Read(ref _releases);

    public Action? OnRelease { get; init; }

    public void Release()
    {
        Interlocked.Increment(ref _releases);
        OnRelease?.Invoke();
    }

    public void Dispose() => _buffer.Dispose();
}
