using System.Net.Security;
using System.Net.Sockets;

namespace DistributedTrainer.Channels.Sockets;

/// <summary>
/// A connected socket, or what is encrypted over it. One thread may send while another receives. What is plain goes straight
/// to the socket: the other way costs it one comparison.
/// </summary>
internal sealed class SocketLine(Socket socket, SslStream? tls = null) : IDisposable
{
    public Socket Socket => socket;

    public bool IsEncrypted => tls is not null;

    /// <summary>Sends all bytes.</summary>
    /// <exception cref="SocketException">The connection is lost.</exception>
    /// <exception cref="IOException">The same, where it is encrypted.</exception>
    public void SendAll(ReadOnlySpan<byte> bytes)
    {
        if (tls is null) SocketBytes.SendAll(socket, bytes);
        else if (!bytes.IsEmpty) tls.Write(bytes);
    }

    /// <summary>How many bytes came before the peer closed; the length of the span unless it did.</summary>
    /// <exception cref="SocketException">The connection is lost.</exception>
    /// <exception cref="IOException">The same, where it is encrypted; or it was cut within a record, or a record was changed.</exception>
    public int ReceiveAll(Span<byte> bytes) =>
        tls is null ? SocketBytes.ReceiveAll(socket, bytes) : tls.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);

    /// <summary>Ends all calls on it, and lets what was sent go out.</summary>
    public void ShutDown()
    {
        try { socket.Shutdown(SocketShutdown.Both); }
        catch (Exception e) when (e is SocketException or ObjectDisposedException) { /* The peer was quicker. */ }
    }

    public void Dispose()
    {
        // The socket first: the encrypted stream would say goodbye over it, and might wait to.
        socket.Dispose();
        tls?.Dispose();
    }
}
