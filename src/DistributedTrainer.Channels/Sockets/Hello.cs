using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using DistributedTrainer.Channels.Tls;

namespace DistributedTrainer.Channels.Sockets;

/// <summary>The first frame in each direction of a socket: shows that both ends speak the protocol and serve the same run.</summary>
internal static class Hello
{
    public const string WrongToken = "hello: another run token, the peer serves another run";

    /// <summary>
    /// The peer connected and left without a word: whoever starts on this machine looks so whether a socket file is still in
    /// use (<see cref="SocketFile.RemoveStale"/>), and health checks do the like. Nothing that anybody need be told of.
    /// </summary>
    public const string OnlyLooked = "hello: the peer closed the connection before it said anything";

    public const string NotInTime = "hello: not received in time";

    public const string SpeaksTls = "hello: the peer speaks TLS, and this node does not. Start both with --tls, or neither";

    private const string Closed = "hello: the peer closed the connection";

    // Enough for any reason; a longer one is not from this program.
    private const int MaximumReasonBytes = 1024;

    /// <summary>In the flags of a hello: this end would rather have shared memory; in the answer: it may.</summary>
    public const byte SharedMemory = 1;

    public static void Send(SocketLine line, ulong token, byte flags = 0)
    {
        Span<byte> bytes = stackalloc byte[FrameFormat.HeaderBytes];
        FrameFormat.Write(new FrameHeader { Kind = FrameKind.Hello, Run = token, Flags = flags }, bytes);
        line.SendAll(bytes);
    }

    /// <summary>The listener's side. Null, or why the connection must not be accepted; a peer that speaks the protocol is told.</summary>
    public static string? Check(SocketLine line, ChannelOptions options, out byte flags)
    {
        flags = 0;
        Span<byte> bytes = stackalloc byte[FrameFormat.HeaderBytes];
        var problem = Receive(line, bytes, new Deadline(options.HelloTimeout), OnlyLooked);
        if (problem is null && !line.IsEncrypted && TlsDoor.IsTls(bytes)) return SpeaksTls;
        problem ??= FrameFormat.Read(bytes, out _);
        if (problem is not null) return problem;

        FrameFormat.Read(bytes, out var header);
        if (header.Kind != FrameKind.Hello || header.PayloadBytes != 0) return $"hello: the first frame is {header.Kind} with {header.PayloadBytes} bytes";
        flags = header.Flags;
        if (IsSame(header.Run, options.RunToken)) return null;
        Refuse(line, WrongToken);
        return WrongToken;
    }

    /// <summary>The connecting side: null, or why the listener does not want this connection.</summary>
    public static string? Await(SocketLine line, ChannelOptions options, out byte flags)
    {
        flags = 0;
        Span<byte> bytes = stackalloc byte[FrameFormat.HeaderBytes];
        var deadline = new Deadline(options.HelloTimeout);
        var problem = Receive(line, bytes, deadline) ?? FrameFormat.Read(bytes, out _);
        if (problem is not null) return line.IsEncrypted && problem == Closed ? $"{problem}: it may not accept this node's certificate; its log says why" : problem;

        FrameFormat.Read(bytes, out var header);
        if (header is { Kind: FrameKind.Refused, PayloadBytes: > 0 and <= MaximumReasonBytes })
        {
            Span<byte> reason = stackalloc byte[header.PayloadBytes];
            return Receive(line, reason, deadline) ?? $"refused: {Encoding.UTF8.GetString(reason)}";
        }

        flags = header.Flags;
        return header.Kind != FrameKind.Hello || header.PayloadBytes != 0 ? $"hello: the answer is {header.Kind} with {header.PayloadBytes} bytes"
            : !IsSame(header.Run, options.RunToken) ? WrongToken
            : null;
    }

    /// <summary>Compares tokens in the same time wherever they differ: a stranger learns nothing from it.</summary>
    public static bool IsSame(ulong one, ulong other)
    {
        Span<byte> left = stackalloc byte[sizeof(ulong)], right = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(left, one);
        BinaryPrimitives.WriteUInt64LittleEndian(right, other);
        return CryptographicOperations.FixedTimeEquals(left, right);
    }

    /// <summary>A node that does not speak TLS is told so in a way that it understands.</summary>
    public static void RefusePlain(Socket socket)
    {
        // What was not read would reset the connection, and the answer be lost with it.
        Span<byte> bytes = stackalloc byte[FrameFormat.HeaderBytes];
        socket.Receive(bytes);
        Refuse(new SocketLine(socket), "this node speaks TLS only. Start yours with --tls, with a certificate of this cluster's authority");
    }

    private static void Refuse(SocketLine line, string reason)
    {
        var text = Encoding.UTF8.GetBytes(reason);
        var bytes = new byte[FrameFormat.HeaderBytes + text.Length];
        FrameFormat.Write(new FrameHeader { Kind = FrameKind.Refused, PayloadBytes = text.Length }, bytes);
        text.CopyTo(bytes, FrameFormat.HeaderBytes);
        line.SendAll(bytes);
    }

    /// <summary>
    /// Null when all bytes came in time. The time is for all of them: a peer that dribbles gains nothing. One that leaves
    /// before the first byte has said <paramref name="nothing"/>.
    /// </summary>
    private static string? Receive(SocketLine line, Span<byte> bytes, Deadline deadline, string nothing = Closed)
    {
        var (socket, all) = (line.Socket, bytes.Length);
        if (line.IsEncrypted)
        {
            // The time of the handshake and the hello together is watched by a TimeLimit.
            try { return line.ReceiveAll(bytes) == bytes.Length ? null : Closed; }
            catch (Exception e) when (e is IOException or SocketException) { return $"hello: connection lost ({(e.InnerException ?? e).Message})"; }
        }

        while (!bytes.IsEmpty)
        {
            if (deadline.RemainingMilliseconds is not (> 0 and var remaining)) return NotInTime;
            socket.ReceiveTimeout = remaining;
            var got = socket.Receive(bytes, SocketFlags.None, out var error);
            if (error is SocketError.TimedOut or SocketError.WouldBlock) return NotInTime;
            if (error != SocketError.Success) return $"hello: connection lost ({error})";
            if (got == 0) return bytes.Length == all ? nothing : Closed;
            bytes = bytes[got..];
        }

        socket.ReceiveTimeout = 0;
        return null;
    }
}

/// <summary>When the time for something is over.</summary>
internal readonly struct Deadline(TimeSpan time)
{
    private readonly long _start = Stopwatch.GetTimestamp();

    public int RemainingMilliseconds => (int)Math.Ceiling((time - Stopwatch.GetElapsedTime(_start)).TotalMilliseconds);
}
