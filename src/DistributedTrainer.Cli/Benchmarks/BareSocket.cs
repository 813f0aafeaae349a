using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using DistributedTrainer.Channels;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>
/// A socket with nothing around it: a header as long as a frame's, whose first eight bytes are the length of the payload
/// that follows. A header without payload is sent back.
/// </summary>
internal static class BareSocket
{
    /// <summary>Listens, and answers one peer after the other on a thread of its own until the socket is disposed of.</summary>
    public static Socket Listen(EndPoint end)
    {
        var listener = Create(end);
        listener.Bind(end);
        listener.Listen(1);
        new Thread(() =>
        {
            try
            {
                while (true)
                {
                    using var peer = listener.Accept();
                    Answer(peer);
                }
            }
            catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
            {
                // Closed from outside: the measurement is over.
            }
        })
        { IsBackground = true, Name = "bare socket" }.Start();
        return listener;
    }

    /// <summary>Measures against a peer that listens there.</summary>
    /// <exception cref="SocketException">The peer cannot be reached, or is gone.</exception>
    public static MediumRate Measure(EndPoint end, int bytes, int windows)
    {
        using var socket = Create(end);
        socket.Connect(end);
        var (header, payload) = (new byte[FrameFormat.HeaderBytes], GC.AllocateUninitializedArray<byte>(bytes, pinned: true));
        payload.AsSpan().Fill(1);
        var seconds = TimedWindows.Seconds(windows, count =>
        {
            for (var i = 0L; i < count; i++)
            {
                Send(bytes);
                Write(socket, payload);
            }

            RoundTrip();
        });
        var trip = TimedWindows.Seconds(windows, count =>
        {
            for (var i = 0L; i < count; i++)
            {
                RoundTrip();
            }
        });
        return new MediumRate(bytes / seconds / 1e6, trip * 1e6);

        void Send(int length)
        {
            BinaryPrimitives.WriteInt64LittleEndian(header, length);
            Write(socket, header);
        }

        void RoundTrip()
        {
            Send(0);
            if (!Read(socket, header))
            {
                throw new SocketException((int)SocketError.ConnectionReset);
            }
        }
    }

    private static void Answer(Socket peer)
    {
        SendAtOnce(peer);
        var (header, payload) = (new byte[FrameFormat.HeaderBytes], Array.Empty<byte>());
        while (Read(peer, header))
        {
            var length = (int)BinaryPrimitives.ReadInt64LittleEndian(header);
            if (length == 0)
            {
                Write(peer, header);
                continue;
            }

            payload = payload.Length < length ? GC.AllocateUninitializedArray<byte>(length, pinned: true) : payload;
            Read(peer, payload.AsSpan(0, length));
        }
    }

    private static Socket Create(EndPoint end)
    {
        var socket = new Socket(end.AddressFamily, SocketType.Stream, end is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp);
        SendAtOnce(socket);
        return socket;
    }

    // As the channels do. Unix sockets have no such setting.
    private static void SendAtOnce(Socket socket)
    {
        if (socket.AddressFamily != AddressFamily.Unix)
        {
            socket.NoDelay = true;
        }
    }

    private static void Write(Socket socket, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[socket.Send(bytes)..];
        }
    }

    private static bool Read(Socket socket, Span<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var count = socket.Receive(bytes);
            if (count == 0)
            {
                return false;
            }

            bytes = bytes[count..];
        }

        return true;
    }
}
