using System.Runtime.InteropServices;

namespace DistributedTrainer.Data;

/// <summary>Rows of one source, float32 or bytes, in memory or in a file that is mapped. Immutable; may be read by several threads.</summary>
internal abstract class RowBlock(int rows, int columns)
{
    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    public abstract bool IsBytes { get; }

    /// <summary>Bytes that are held in memory.</summary>
    public abstract long HeldBytes { get; }

    public bool IsMapped => HeldBytes == 0;

    /// <summary>Writes a row of float32.</summary>
    public abstract void Copy(int row, Span<float> into);

    /// <summary>A row of bytes: where it lies, or copied into the room.</summary>
    /// <param name="row">From 0.</param>
    /// <param name="room">(Columns) at least.</param>
    public abstract ReadOnlySpan<byte> Bytes(int row, Span<byte> room);

    /// <summary>Several rows of bytes, one behind the other.</summary>
    /// <param name="row">The first, from 0.</param>
    /// <param name="count">So many.</param>
    /// <param name="room">Where they are copied to, if they are; made large enough.</param>
    public virtual ReadOnlySpan<byte> Bytes(int row, int count, ref byte[] room) => throw new InvalidOperationException("rows: these are float32, not bytes.");

    public static RowBlock Of(float[] values, int columns) => new HeldFloats(values, columns);

    public static RowBlock Of(byte[] values, int columns) => new HeldBytesBlock(values, columns);

    /// <summary>Rows of float32 in this machine's order of bytes, from the file's beginning.</summary>
    public static RowBlock OfFloats(MappedFile file, int rows, int columns) => new MappedFloats(file, rows, columns);

    /// <summary>Rows of bytes from a place in the file on.</summary>
    public static RowBlock OfBytes(MappedFile file, long offset, int rows, int columns) => new MappedBytes(file, offset, rows, columns);

    private sealed class HeldFloats(float[] values, int columns) : RowBlock(values.Length / columns, columns)
    {
        public override bool IsBytes => false;

        public override long HeldBytes => Math.Max(1, values.LongLength * sizeof(float));

        public override void Copy(int row, Span<float> into) => values.AsSpan(row * Columns, Columns).CopyTo(into);

        public override ReadOnlySpan<byte> Bytes(int row, Span<byte> room) => throw new InvalidOperationException("rows: these are float32, not bytes.");
    }

    private sealed class HeldBytesBlock(byte[] values, int columns) : RowBlock(values.Length / columns, columns)
    {
        public override bool IsBytes => true;

        public override long HeldBytes => Math.Max(1, values.LongLength);

        public override void Copy(int row, Span<float> into) => Widen(Bytes(row, default), into);

        public override ReadOnlySpan<byte> Bytes(int row, Span<byte> room) => values.AsSpan(row * Columns, Columns);

        public override ReadOnlySpan<byte> Bytes(int row, int count, ref byte[] room) => values.AsSpan(row * Columns, count * Columns);
    }

    private sealed class MappedFloats(MappedFile file, int rows, int columns) : RowBlock(rows, columns)
    {
        public override bool IsBytes => false;

        public override long HeldBytes => 0;

        public override void Copy(int row, Span<float> into) =>
            file.Read((long)row * Columns * sizeof(float), MemoryMarshal.AsBytes(into[..Columns]));

        public override ReadOnlySpan<byte> Bytes(int row, Span<byte> room) => throw new InvalidOperationException("rows: these are float32, not bytes.");
    }

    private sealed class MappedBytes(MappedFile file, long offset, int rows, int columns) : RowBlock(rows, columns)
    {
        public override bool IsBytes => true;

        public override long HeldBytes => 0;

        public override void Copy(int row, Span<float> into) => Widen(Bytes(row, RowRoom.Of(Columns)), into);

        public override ReadOnlySpan<byte> Bytes(int row, Span<byte> room)
        {
            room = room[..Columns];
            file.Read(offset + ((long)row * Columns), room);
            return room;
        }

        public override ReadOnlySpan<byte> Bytes(int row, int count, ref byte[] room)
        {
            room = room.Length >= count * Columns ? room : new byte[count * Columns];
            var bytes = room.AsSpan(0, count * Columns);
            file.Read(offset + ((long)row * Columns), bytes);
            return bytes;
        }
    }

    private static void Widen(ReadOnlySpan<byte> bytes, Span<float> into)
    {
        for (var column = 0; column < bytes.Length; column++)
        {
            into[column] = bytes[column];
        }
    }
}

/// <summary>Room for one row of bytes, one for each thread: no row costs an allocation.</summary>
internal static class RowRoom
{
    [ThreadStatic]
    private static byte[]? _room;

    public static Span<byte> Of(int columns) =>
        (_room is { } room && room.Length >= columns ? room : _room = new byte[columns]).AsSpan(0, columns);
}
