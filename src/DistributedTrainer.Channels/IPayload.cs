namespace DistributedTrainer.Channels;

/// <summary>Bytes that stay valid and unchanged until <see cref="Release"/>. May be posted to many channels: one Release for each.</summary>
public interface IPayload
{
    /// <summary>The bytes; always the same length.</summary>
    ReadOnlySpan<byte> Bytes { get; }

    /// <summary>The channel no longer needs the bytes. Called on any thread, once for every Post, maybe
    /// before Post has returned; a receiver that reads in place decides how late. Must not throw.</summary>
    void Release();
}
