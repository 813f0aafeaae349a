namespace DistributedTrainer.Data;

/// <summary>
/// The features of all rows, in one array for each source: float32, or bytes where the source has bytes (pixels take a
/// quarter of the memory). Immutable.
/// </summary>
public sealed class FeatureTable
{
    private readonly float[][] _floats = [];
    private readonly byte[][] _bytes = [];
    private readonly int[] _partRows;

    /// <summary>Rows of float32.</summary>
    /// <param name="columns">At least 1.</param>
    /// <param name="parts">(rows, columns) each, row-major; their rows follow one another.</param>
    /// <exception cref="ArgumentException">A part is not made of whole rows.</exception>
    public FeatureTable(int columns, params float[][] parts)
        : this(columns, (Array[])parts) => _floats = parts;

    /// <summary>Rows of bytes, each standing for the number that it is.</summary>
    /// <param name="columns">At least 1.</param>
    /// <param name="parts">(rows, columns) each, row-major; their rows follow one another.</param>
    /// <exception cref="ArgumentException">A part is not made of whole rows.</exception>
    public FeatureTable(int columns, params byte[][] parts)
        : this(columns, (Array[])parts)
    {
        _bytes = parts;
        IsBytes = true;
    }

    private FeatureTable(int columns, Array[] parts)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        if (parts.FirstOrDefault(part => part.Length % columns != 0) is { } part)
        {
            throw new ArgumentException($"features: {part.Length} values are no whole rows of {columns} columns. Check the array's length.", nameof(parts));
        }

        Columns = columns;
        _partRows = Array.ConvertAll(parts, part => part.Length / columns);
        Rows = _partRows.Sum();
    }

    /// <summary>Values of a row.</summary>
    public int Columns { get; }

    /// <summary>Rows of all parts.</summary>
    public int Rows { get; }

    /// <summary>Whether the values are bytes.</summary>
    public bool IsBytes { get; }

    /// <summary>Writes one row as float32.</summary>
    /// <param name="row">From 0, in the order of the parts.</param>
    /// <param name="into">(Columns)</param>
    public void CopyRow(int row, Span<float> into)
    {
        if (!IsBytes)
        {
            var (part, start) = Find(row);
            _floats[part].AsSpan(start, Columns).CopyTo(into);
            return;
        }

        var bytes = ByteRow(row);
        for (var column = 0; column < bytes.Length; column++)
        {
            into[column] = bytes[column];
        }
    }

    /// <summary>The bytes of a row, where the values are bytes.</summary>
    internal ReadOnlySpan<byte> ByteRow(int row)
    {
        var (part, start) = Find(row);
        return _bytes[part].AsSpan(start, Columns);
    }

    private (int Part, int Start) Find(int row)
    {
        var part = 0;
        while (row >= _partRows[part])
        {
            row -= _partRows[part++];
        }

        return (part, row * Columns);
    }
}
