using System.Buffers.Binary;

namespace DistributedTrainer.Channels.Shared;

/// <summary>
/// A frame in the ring: 128 bytes, then the payload unless it is lent, then zero to 63 bytes up to the next cache line.
/// </summary>
/// <remarks><c>0 header (see <see cref="FrameFormat"/>) · 80 lent u32 · 84 slot i32 · 88 region i32 · 92 zero · 96 offset i64 · 104..127 zero</c></remarks>
internal readonly record struct FrameRecord(FrameHeader Header, bool Lent, int Slot, int Region, long Offset)
{
    public const int Bytes = 128;

    public void Write(Span<byte> destination)
    {
        var d = destination[..Bytes];
        d.Clear();
        FrameFormat.Write(Header, d);
        if (!Lent) return;
        BinaryPrimitives.WriteInt32LittleEndian(d[80..], 1);
        BinaryPrimitives.WriteInt32LittleEndian(d[84..], Slot);
        BinaryPrimitives.WriteInt32LittleEndian(d[88..], Region);
        BinaryPrimitives.WriteInt64LittleEndian(d[96..], Offset);
    }

    /// <summary>Returns null, or what is wrong with it. Where a lent payload lies still has to be compared with the region.</summary>
    public static string? Read(ReadOnlySpan<byte> source, out FrameRecord record)
    {
        record = default;
        if (FrameFormat.Read(source, out var header) is { } problem) return problem;
        var lent = BinaryPrimitives.ReadInt32LittleEndian(source[80..]);
        record = new FrameRecord(
            header,
            lent == 1,
            BinaryPrimitives.ReadInt32LittleEndian(source[84..]),
            BinaryPrimitives.ReadInt32LittleEndian(source[88..]),
            BinaryPrimitives.ReadInt64LittleEndian(source[96..]));
        if (lent is not (0 or 1) || source[92..96].IndexOfAnyExcept((byte)0) >= 0 || source[104..Bytes].IndexOfAnyExcept((byte)0) >= 0)
            return "frame: reserved bytes are not zero";
        if (!record.Lent) return record is { Slot: 0, Region: 0, Offset: 0 } ? null : "frame: a place for a payload that is not lent";
        return record.Slot is < 0 or >= Segment.Slots ? $"frame: no slot {record.Slot}"
            : record.Region is < 0 or >= SharedRegion.Maximum ? $"frame: no region {record.Region}"
            : header.PayloadBytes == 0 ? "frame: a lent payload without bytes"
            : record.Offset < 0 || record.Offset % sizeof(float) != 0 ? $"frame: a lent payload at {record.Offset}"
            : null;
    }
}
