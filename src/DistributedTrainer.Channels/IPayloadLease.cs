namespace DistributedTrainer.Channels;

/// <summary>
/// A posted payload that the receiver reads where the sender keeps it. The bytes are valid and do not change until the
/// lease is disposed of, however long that takes: also after the channel was closed, and after the sender was killed.
/// </summary>
/// <remarks>
/// Disposing gives the payload back: the sender's <see cref="IPayload.Release"/> follows. Any thread may do so, once;
/// then the object belongs to the channel again, which uses it for other payloads: keep no reference to it.
/// </remarks>
public interface IPayloadLease : IDisposable
{
    /// <summary>The bytes, aligned as they are at the sender.</summary>
    /// <exception cref="ObjectDisposedException">The lease was disposed of.</exception>
    ReadOnlySpan<byte> Bytes { get; }
}
