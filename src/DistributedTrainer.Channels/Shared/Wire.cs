using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using DistributedTrainer.Channels.Sockets;

namespace DistributedTrainer.Channels.Shared;

internal enum WireKind
{
    /// <summary>The segment of the connection, with its descriptor.</summary>
    Segment = 1,

    /// <summary>The answer: mapped (number 1) or not (0).</summary>
    Mapped,

    /// <summary>A region that payloads will be lent from, with its descriptor.</summary>
    Region,

    /// <summary>The channel is closed; what was lent to this end may still come back.</summary>
    Closed,

    /// <summary>A board with its descriptor; the number is the receiver's seat.</summary>
    Board,
}

/// <summary>What travels over the socket of a shared-memory channel: descriptors of memory, and the end.</summary>
/// <remarks>24 bytes, little endian: <c>0 magic u32 · 4 kind i32 · 8 number i32 · 12 zero · 16 bytes i64</c></remarks>
internal readonly unsafe record struct Wire(WireKind Kind, int Number, long Length)
{
    public const string Ended = "the peer closed the connection";

    private const int Bytes = 24;

    // The bytes "DTSM" in this order on the wire.
    private const uint Magic = 0x4D535444;

    // Room for two descriptors: the system rounds up, and none may get lost.
    private const int ControlBytes = 24;

    /// <param name="socket">A blocking Unix domain socket.</param>
    /// <param name="descriptor">Handed over with it; -1: none.</param>
    /// <exception cref="IOException">The connection is lost.</exception>
    public void Send(Socket socket, int descriptor = -1)
    {
        var bytes = stackalloc byte[Bytes];
        var span = new Span<byte>(bytes, Bytes);
        span.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(span, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(span[4..], (int)Kind);
        BinaryPrimitives.WriteInt32LittleEndian(span[8..], Number);
        BinaryPrimitives.WriteInt64LittleEndian(span[16..], Length);

        var control = stackalloc byte[ControlBytes];
        *(Libc.ControlHeader*)control = new Libc.ControlHeader { Length = (nuint)(sizeof(Libc.ControlHeader) + sizeof(int)), Level = Libc.SocketLevel, Type = Libc.Rights };
        *(int*)(control + sizeof(Libc.ControlHeader)) = descriptor;

        var sent = 0;
        while (sent < Bytes)
        {
            var piece = new Libc.Piece { Start = bytes + sent, Length = (nuint)(Bytes - sent) };
            var message = new Libc.Message { Pieces = &piece, PieceCount = 1 };
            // With the first byte, or it would be handed over again.
            if (descriptor >= 0 && sent == 0)
            {
                message.Control = control;
                message.ControlLength = ControlBytes;
            }

            var now = Libc.Send(socket.Handle, &message, Libc.NoSignal);
            if (now >= 0) sent += (int)now;
            else if (Marshal.GetLastPInvokeError() != Libc.Interrupted) throw new IOException($"connection lost ({Libc.LastError})");
        }
    }

    /// <summary>Waits for a message. Null, or why there is none; then there is no descriptor either.</summary>
    /// <param name="socket">A blocking Unix domain socket.</param>
    /// <param name="deadline">For the whole message; null: as long as it takes.</param>
    /// <param name="wire">The message.</param>
    /// <param name="descriptor">What came with it, the caller's now; -1: nothing.</param>
    public static string? Receive(Socket socket, Deadline? deadline, out Wire wire, out int descriptor)
    {
        wire = default;
        var bytes = stackalloc byte[Bytes];
        var problem = ReceiveAll(socket, deadline, bytes, out descriptor);
        if (problem is null) problem = Read(new ReadOnlySpan<byte>(bytes, Bytes), out wire);
        if (problem is null && (descriptor >= 0) != (wire.Kind is WireKind.Segment or WireKind.Region or WireKind.Board))
            problem = $"shared memory: a message of kind {wire.Kind} {(descriptor >= 0 ? "with" : "without")} a descriptor";
        if (problem is null) return null;
        if (descriptor >= 0) Libc.Close(descriptor);
        descriptor = -1;
        return problem;
    }

    private static string? ReceiveAll(Socket socket, Deadline? deadline, byte* bytes, out int descriptor)
    {
        descriptor = -1;
        var control = stackalloc byte[ControlBytes];
        var received = 0;
        while (received < Bytes)
        {
            if (deadline is { } limit)
            {
                if (limit.RemainingMilliseconds is not (> 0 and var remaining)) return "shared memory: not received in time";
                socket.ReceiveTimeout = remaining;
            }

            var piece = new Libc.Piece { Start = bytes + received, Length = (nuint)(Bytes - received) };
            var message = new Libc.Message { Pieces = &piece, PieceCount = 1, Control = control, ControlLength = ControlBytes };
            var now = Libc.Receive(socket.Handle, &message, Libc.CloseOnExecReceived);
            if (now < 0)
            {
                var error = Marshal.GetLastPInvokeError();
                if (error == Libc.Interrupted) continue;
                return error == Libc.TryAgain ? "shared memory: not received in time" : $"connection lost ({Libc.LastError})";
            }

            if (now == 0) return received == 0 ? Ended : $"{Ended} in the middle of a message";
            received += (int)now;
            if (!Keep(message, ref descriptor)) return "shared memory: more than one descriptor with a message";
        }

        if (deadline is not null) socket.ReceiveTimeout = 0;
        return null;
    }

    /// <summary>Takes the descriptors that came. False: more than one; the rest is closed.</summary>
    private static bool Keep(in Libc.Message message, ref int descriptor)
    {
        var header = (Libc.ControlHeader*)message.Control;
        if (message.ControlLength < (nuint)sizeof(Libc.ControlHeader) || header->Level != Libc.SocketLevel || header->Type != Libc.Rights) return true;
        var count = ((int)header->Length - sizeof(Libc.ControlHeader)) / sizeof(int);
        var received = new ReadOnlySpan<int>((byte*)header + sizeof(Libc.ControlHeader), count);
        var alone = true;
        foreach (var one in received)
        {
            if (descriptor < 0)
            {
                descriptor = one;
                continue;
            }

            Libc.Close(one);
            alone = false;
        }

        return alone;
    }

    private static string? Read(ReadOnlySpan<byte> bytes, out Wire wire)
    {
        wire = new Wire(
            (WireKind)BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]));
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic || BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]) != 0
            ? "shared memory: a malformed message" : null;
    }
}
