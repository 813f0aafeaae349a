namespace DistributedTrainer.Data;

/// <summary>
/// The features of all rows, a block for each source: float32, or bytes where the source has bytes (pixels take a
/// quarter of the memory); held in memory, or mapped where they lie in a file. Immutable; may be read by several threads.
/// </summary>
public sealed class FeatureTable
{
    private readonly RowBlock[] _blocks;

    /// <summary>Rows of float32.</summary>
    /// <param name="columns">At least 1.</param>
    /// <param name="parts">(rows, columns) each, row-major; their rows follow one another.</param>
    /// <exception cref="ArgumentException">A part is not made of whole rows.</exception>
    public FeatureTable(int columns, params float[][] parts)
        : this(columns, Array.ConvertAll(Whole(columns, parts), part => RowBlock.Of(part, columns)))
    {
    }

    /// <summary>Rows of bytes, each standing for the number that it is.</summary>
    /// <param name="columns">At least 1.</param>
    /// <param name="parts">(rows, columns) each, row-major; their rows follow one another.</param>
    /// <exception cref="ArgumentException">A part is not made of whole rows.</exception>
    public FeatureTable(int columns, params byte[][] parts)
        : this(columns, Array.ConvertAll(Whole(columns, parts), part => RowBlock.Of(part, columns)))
    {
    }

    internal FeatureTable(int columns, params RowBlock[] blocks)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        (Columns, _blocks) = (columns, blocks);
        Rows = checked(blocks.Sum(static block => block.Rows));
        IsBytes = blocks.Length > 0 && blocks[0].IsBytes;
        HeldBytes = blocks.Sum(static block => block.HeldBytes);
        IsMapped = Array.Exists(blocks, static block => block.IsMapped);
    }

    /// <summary>Values of a row.</summary>
    public int Columns { get; }

    /// <summary>Rows of all parts.</summary>
    public int Rows { get; }

    /// <summary>Whether the values are bytes.</summary>
    public bool IsBytes { get; }

    /// <summary>Whether rows are read from a mapped file when they are asked for; otherwise all are in memory.</summary>
    public bool IsMapped { get; }

    /// <summary>Bytes of values that are held in memory.</summary>
    public long HeldBytes { get; }

    /// <summary>Writes one row as float32.</summary>
    /// <param name="row">From 0, in the order of the parts.</param>
    /// <param name="into">(Columns)</param>
    public void CopyRow(int row, Span<float> into) => Find(ref row).Copy(row, into);

    /// <summary>The bytes of a row, where the values are bytes; good until the thread asks for another.</summary>
    internal ReadOnlySpan<byte> ByteRow(int row)
    {
        var block = Find(ref row);
        return block.Bytes(row, block.IsMapped ? RowRoom.Of(Columns) : default);
    }

    private RowBlock Find(ref int row)
    {
        var at = 0;
        while (row >= _blocks[at].Rows)
        {
            row -= _blocks[at++].Rows;
        }

        return _blocks[at];
    }

    private static T[] Whole<T>(int columns, T[] parts)
        where T : System.Collections.ICollection
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        return Array.Find(parts, part => part.Count % columns != 0) is { } wrong
            ? throw new ArgumentException($"features: {wrong.Count} values are no whole rows of {columns} columns. Check the array's length.", nameof(parts))
            : parts;
    }
}
