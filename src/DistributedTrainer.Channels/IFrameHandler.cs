namespace DistributedTrainer.Channels;

/// <summary>
/// Receives the frames of a channel, on the channel's reader thread, one call at a time. For every frame: Reserve, then
/// Complete or Abandoned (or neither after a refusal); where the payload can be read in place, Offer comes first and may
/// be all. Closed is the last call. An exception closes the channel with its message as the reason. Calls may begin
/// before Connect has returned.
/// </summary>
public interface IFrameHandler
{
    /// <summary>
    /// Where the payload goes: a span of exactly <see cref="FrameHeader.PayloadBytes"/> bytes, or an empty one to refuse:
    /// the payload is read and dropped, Complete is not called. A frame without payload can't be refused: Reserve is
    /// called, its result must be empty, and Complete follows.
    /// </summary>
    Span<byte> Reserve(IChannel channel, in FrameHeader header);

    /// <summary>
    /// Offers a whole payload where the sender keeps it, with no copy. True: the handler has taken the frame, and disposes
    /// of the lease when it no longer needs the bytes. False, the default: the lease is not touched, Reserve and Complete
    /// follow. A handler that keeps a lease keeps the sender from using that memory again.
    /// </summary>
    /// <remarks>
    /// Offered are payloads that were posted, on a channel within the process, and from <see cref="SharedMemory.Allocate"/>
    /// on a shared-memory channel. What is sent with Send, small, or comes over a socket is never offered: a handler that
    /// takes offers still needs Reserve and Complete.
    /// </remarks>
    bool Offer(IChannel channel, in FrameHeader header, IPayloadLease lease) => false;

    /// <summary>The payload is whole.</summary>
    void Complete(IChannel channel, in FrameHeader header);

    /// <summary>The payload that Reserve made room for did not arrive whole; the span holds some of it. Closed follows.</summary>
    void Abandoned(IChannel channel, in FrameHeader header);

    /// <summary>The channel is closed, by either side. Called once.</summary>
    void Closed(IChannel channel, string reason);
}
