using DistributedTrainer.Channels;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>Memory that a peer may read in place, posted again and again as the step loop does it with gradients.</summary>
internal sealed class LentPayload : IPayload, IDisposable
{
    // While the receiver reads one, the next is on its way.
    private const int AtOnce = 2;

    private readonly SharedBuffer _memory;
    private readonly int _bytes;
    private readonly SemaphoreSlim _free = new(AtOnce);

    public LentPayload(int bytes)
    {
        _bytes = bytes;
        _memory = SharedMemory.Allocate((bytes + sizeof(float) - 1) / sizeof(float));
        _memory.Bytes.Fill(1);
    }

    public ReadOnlySpan<byte> Bytes => _memory.Bytes[.._bytes];

    /// <summary>Posts it so often, and returns when the receiver has given it back as often.</summary>
    /// <exception cref="ChannelClosedException">The channel closed: what is posted then is dropped.</exception>
    public void Post(IChannel channel, long count)
    {
        for (var i = 0L; i < count; i++)
        {
            _free.Wait();
            channel.Post(new FrameHeader { Kind = FrameKind.Push }, this);
        }

        for (var i = 0; i < AtOnce; i++)
        {
            _free.Wait();
        }

        _free.Release(AtOnce);
        if (!channel.IsOpen)
        {
            throw new ChannelClosedException($"the channel to {channel.Peer} was closed");
        }
    }

    public void Release() => _free.Release();

    public void Dispose()
    {
        _memory.Dispose();
        _free.Dispose();
    }
}
