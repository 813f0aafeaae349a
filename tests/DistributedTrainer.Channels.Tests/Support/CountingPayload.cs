namespace DistributedTrainer.Channels.Tests.Support;

/// <summary>Counts its releases.</summary>
internal sealed class CountingPayload(byte[] bytes) : IPayload
{
    private int _releases;

    public CountingPayload(int length, byte value = 0)
        : this(Filled(length, value))
    {
    }

    public ReadOnlySpan<byte> Bytes => bytes;

    public int Releases => Volatile.Read(ref _releases);

    public Action? OnRelease { get; init; }

    public void Release()
    {
        Interlocked.Increment(ref _releases);
        OnRelease?.Invoke();
    }

    private static byte[] Filled(int length, byte value)
    {
        var bytes = new byte[length];
        bytes.AsSpan().Fill(value);
        return bytes;
    }
}
