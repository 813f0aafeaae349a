namespace DistributedTrainer.Channels;

/// <summary>One open connection between two ends; frames arrive whole, in order, or not at all. Thread-safe.</summary>
public interface IChannel : IDisposable
{
    /// <summary>Address of the other end, for messages.</summary>
    string Peer { get; }

    /// <summary>False once the channel was closed by either side.</summary>
    bool IsOpen { get; }

    /// <summary>
    /// Sends a frame and blocks until the channel no longer needs <paramref name="payload"/>. Frames of concurrent senders
    /// never mix. Returning does not mean that the peer has handled the frame. It may overtake posted frames that still
    /// wait; frames that are all sent, or all posted, by one thread keep their order. Allocates nothing when warm.
    /// </summary>
    /// <remarks>
    /// Within a handler prefer <see cref="Post"/>: two handlers that send large payloads to each other with Send wait for
    /// each other on a socket.
    /// </remarks>
    /// <exception cref="ChannelClosedException">The channel is closed, or closed while sending.</exception>
    /// <exception cref="ArgumentException">A hello frame, or a payload above <see cref="ChannelOptions.MaximumPayloadBytes"/>.</exception>
    void Send(in FrameHeader header, ReadOnlySpan<byte> payload);

    /// <summary>
    /// Queues a frame and returns at once. <see cref="IPayload.Release"/> is called exactly once, after the payload was
    /// written or dropped; a closed channel drops it without an exception. A full queue closes the channel.
    /// </summary>
    /// <remarks>
    /// Within the process, and from <see cref="SharedMemory.Allocate"/> over shared memory, the payload is lent: the
    /// receiver may read it in place (<see cref="IFrameHandler.Offer"/>). Then Release waits for the receiver to give it
    /// back, also beyond the end of the channel, but not beyond the end of the receiver's process. Send never lends.
    /// </remarks>
    /// <exception cref="ArgumentException">A hello frame, or a payload above <see cref="ChannelOptions.MaximumPayloadBytes"/>; the payload is released.</exception>
    void Post(in FrameHeader header, IPayload payload);

    /// <summary>
    /// From now on the calling thread hands frames to the handler, in <see cref="Poll"/>, and the channel's own thread
    /// rests: for a thread that waits for a frame and looks for it again and again, since being woken takes tens of
    /// microseconds. False, the default: not possible on this channel, or not at this moment. One thread at a time; it
    /// must call <see cref="Unattend"/> soon, and not send in between.
    /// </summary>
    bool TryAttend() => false;

    /// <summary>Hands the frames that are there to the handler; most calls find none, and cost some nanoseconds. Only after <see cref="TryAttend"/>.</summary>
    void Poll()
    {
    }

    /// <summary>The channel's own thread goes on. Once after each <see cref="TryAttend"/> that gave true, by the same thread.</summary>
    void Unattend()
    {
    }

    /// <summary>The seat at a board that the peer handed over last; null: none. See <see cref="TryShare"/>.</summary>
    BoardSeat? Seat => null;

    /// <summary>
    /// Hands the peer a board and its seat there, which nobody else must get. False: the peer cannot read this process's
    /// memory, as over a socket (the default), or the channel is closed. True does not say that it has it already.
    /// </summary>
    bool TryShare(SharedBoard board, int seat) => false;
}
