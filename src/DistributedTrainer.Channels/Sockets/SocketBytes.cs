using System.Net.Sockets;

namespace DistributedTrainer.Channels.Sockets;

/// <summary>Whole spans through blocking sockets.</summary>
internal static class SocketBytes
{
    /// <exception cref="SocketException">The connection is lost.</exception>
    public static void SendAll(Socket socket, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty) bytes = bytes[socket.Send(bytes, SocketFlags.None)..];
    }

    /// <summary>How many bytes came before the peer closed; the length of the span unless it did.</summary>
    /// <exception cref="SocketException">The connection is lost.</exception>
    public static int ReceiveAll(Socket socket, Span<byte> bytes)
    {
        var received = 0;
        while (received < bytes.Length)
        {
            var got = socket.Receive(bytes[received..], SocketFlags.None);
            if (got == 0) break;
            received += got;
        }

        return received;
    }
}
