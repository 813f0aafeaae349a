using DistributedTrainer.Channels.Shared;
using DistributedTrainer.Channels.Sockets;

using SocketAddress = DistributedTrainer.Channels.Sockets.SocketAddress;

namespace DistributedTrainer.Channels;

/// <summary>
/// Channels between processes of one Linux host over shared memory: "shared-memory:///path", where the path is that of a
/// Unix domain socket over which the two ends find each other and notice each other's death. Posted payloads from
/// <see cref="SharedMemory.Allocate"/> are lent, others are copied through a ring.
/// </summary>
/// <remarks>
/// The memory has no name: it is handed over the socket, whose file only this user can open, and ends with the processes.
/// Where one end can't map the other's memory, the socket carries the frames (<see cref="ChannelOptions.Degraded"/> hears
/// of it). So a listener takes plain connections too, at "unix:///path", and a SocketTransport's listener these.
/// </remarks>
public sealed class SharedMemoryTransport : ITransport
{
    /// <summary>What one end of a channel takes, at most.</summary>
    /// <param name="options">Its options.</param>
    /// <returns>
    /// Bytes: the segment that both ends share, the list of lent payloads and the queue of posted frames; not the payloads.
    /// </returns>
    public static long MemoryOf(ChannelOptions options) =>
        Segment.Bytes + (Segment.Slots * SlotBytes) + ((long)options.Validated().MaximumPostedFrames * QueuedBytes);

    // A reference and a number at the sender, a reference and a lease at the receiver.
    private const long SlotBytes = 8 + 4 + 8 + 48;

    // A header, a payload and a mark, in a queue that doubles.
    private const long QueuedBytes = 2 * 96;

    /// <inheritdoc/>
    public IChannelListener Listen(string address, Func<IChannel, IFrameHandler> accept, ChannelOptions options) =>
        new SocketListener(SocketAddress.ParseShared(address), accept, options.Validated());

    /// <inheritdoc/>
    public IChannel Connect(string address, IFrameHandler handler, ChannelOptions options)
    {
        options.Validated();
        var parsed = SocketAddress.ParseShared(address);
        var segment = Make(out var problem);
        SocketLine? line = null;
        try
        {
            line = SocketTransport.Greet(parsed, options, segment is null ? (byte)0 : Hello.SharedMemory, out var answer);
            var offered = segment is not null && (answer & Hello.SharedMemory) != 0;
            if (offered && SharedHandshake.Offer(line.Socket, segment!, options))
            {
                var shared = new SharedChannel(line.Socket, segment!, address, options);
                shared.Start(handler);
                return shared;
            }

            segment?.Dispose();
            options.Degrade($"{address}: no shared memory, the socket carries all: {problem ?? (offered ? "the peer can't map this process's memory" : "the peer can't share memory")}");
            var plain = new SocketChannel(line, address, options);
            plain.Start(handler);
            return plain;
        }
        catch (Exception e)
        {
            segment?.Dispose();
            line?.Dispose();
            if (e is IOException and not ChannelClosedException) throw new ChannelClosedException($"connect: {address}: {e.Message}", e);
            throw;
        }
    }

    private static Segment? Make(out string? problem)
    {
        problem = SharedMemory.Problem;
        if (problem is not null) return null;
        try { return Segment.Create(); }
        catch (IOException e)
        {
            problem = e.Message;
            return null;
        }
    }
}
