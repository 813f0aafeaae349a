using System.Buffers.Binary;

namespace DistributedTrainer.Channels;

/// <summary>The header on the wire: 80 bytes, little endian, whatever the machine.</summary>
/// <remarks>
/// <c>0 magic u32 · 4 version u8 · 5 kind u8 · 6 flags u8 · 7 zero · 8 run u64 · 16 generation i64 · 24 step i64 ·
/// 32 partition i32 · 36 level i32 · 40 index i32 · 44 rows i32 · 48 sum f64 · 56 count i64 · 64 payload bytes i32 ·
/// 68..79 zero</c>
/// </remarks>
public static class FrameFormat
{
    /// <summary>Bytes of a header.</summary>
    public const int HeaderBytes = 80;

    /// <summary>Version of the wire format; both ends must have the same.</summary>
    public const byte Version = 1;

    // The bytes "DTCH" in this order on the wire.
    private const uint Magic = 0x48435444;

    /// <summary>What every connection that is not encrypted begins with.</summary>
    internal const byte FirstByte = (byte)(Magic & 0xFF);

    /// <summary>Writes <paramref name="header"/> into the first <see cref="HeaderBytes"/> bytes of <paramref name="destination"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The destination is too short.</exception>
    public static void Write(in FrameHeader header, Span<byte> destination)
    {
        var d = destination[..HeaderBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(d, Magic);
        d[4] = Version;
        d[5] = (byte)header.Kind;
        d[6] = header.Flags;
        d[7] = 0;
        BinaryPrimitives.WriteUInt64LittleEndian(d[8..], header.Run);
        BinaryPrimitives.WriteInt64LittleEndian(d[16..], header.Generation);
        BinaryPrimitives.WriteInt64LittleEndian(d[24..], header.Step);
        BinaryPrimitives.WriteInt32LittleEndian(d[32..], header.Partition);
        BinaryPrimitives.WriteInt32LittleEndian(d[36..], header.Level);
        BinaryPrimitives.WriteInt32LittleEndian(d[40..], header.Index);
        BinaryPrimitives.WriteInt32LittleEndian(d[44..], header.Rows);
        BinaryPrimitives.WriteInt64LittleEndian(d[48..], BitConverter.DoubleToInt64Bits(header.Sum));
        BinaryPrimitives.WriteInt64LittleEndian(d[56..], header.Count);
        BinaryPrimitives.WriteInt32LittleEndian(d[64..], header.PayloadBytes);
        d[68..].Clear();
    }

    /// <summary>Reads a header. Returns null when it is well formed, else what is wrong with it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The source is too short.</exception>
    public static string? Read(ReadOnlySpan<byte> source, out FrameHeader header)
    {
        var s = source[..HeaderBytes];
        header = default;
        if (BinaryPrimitives.ReadUInt32LittleEndian(s) != Magic) return "frame: wrong magic number, the peer does not speak this protocol";
        if (s[4] != Version) return $"frame: wire version {s[4]}, this side speaks {Version}. Run the same release on all nodes.";
        if (s[5] is < (byte)FrameKind.Hello or > (byte)FrameKind.PullResidual) return $"frame: unknown kind {s[5]}";
        if (s[7] != 0 || s[68..].IndexOfAnyExcept((byte)0) >= 0) return "frame: reserved bytes are not zero";

        header = new FrameHeader
        {
            Kind = (FrameKind)s[5],
            Flags = s[6],
            Run = BinaryPrimitives.ReadUInt64LittleEndian(s[8..]),
            Generation = BinaryPrimitives.ReadInt64LittleEndian(s[16..]),
            Step = BinaryPrimitives.ReadInt64LittleEndian(s[24..]),
            Partition = BinaryPrimitives.ReadInt32LittleEndian(s[32..]),
            Level = BinaryPrimitives.ReadInt32LittleEndian(s[36..]),
            Index = BinaryPrimitives.ReadInt32LittleEndian(s[40..]),
            Rows = BinaryPrimitives.ReadInt32LittleEndian(s[44..]),
            Sum = BitConverter.Int64BitsToDouble(BinaryPrimitives.ReadInt64LittleEndian(s[48..])),
            Count = BinaryPrimitives.ReadInt64LittleEndian(s[56..]),
            PayloadBytes = BinaryPrimitives.ReadInt32LittleEndian(s[64..]),
        };
        return header.PayloadBytes < 0 ? $"frame: negative payload length {header.PayloadBytes}" : null;
    }
}
