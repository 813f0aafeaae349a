using System.Runtime.InteropServices;

namespace DistributedTrainer.Data;

/// <summary>Where the cells of a table go: into memory, or row by row into a file.</summary>
internal sealed class CellSink(Stream? file = null)
{
    private readonly List<float> _cells = [];

    // Of each column: the smallest value, the largest, and the nearest to 0.
    private float[][] _ends = [];

    /// <summary>The cells of each part, where they are in memory.</summary>
    public List<float[]> Parts { get; } = [];

    /// <summary>See <see cref="Dataset.Ends"/>; known where cells go into a file.</summary>
    public IReadOnlyList<float[]> Ends => Array.ConvertAll(_ends, static row => Array.ConvertAll(row, static value => float.IsFinite(value) ? value : 0));

    public void Add(ReadOnlySpan<float> row)
    {
        if (file is null)
        {
            _cells.AddRange(row);
            return;
        }

        file.Write(MemoryMarshal.AsBytes(row));
        if (_ends.Length == 0)
        {
            _ends = [Filled(row.Length, float.PositiveInfinity), Filled(row.Length, float.NegativeInfinity), Filled(row.Length, float.PositiveInfinity)];
        }

        // Where there is no value, NaN is neither smaller nor larger.
        for (var c = 0; c < row.Length; c++)
        {
            _ends[0][c] = row[c] < _ends[0][c] ? row[c] : _ends[0][c];
            _ends[1][c] = row[c] > _ends[1][c] ? row[c] : _ends[1][c];
            _ends[2][c] = Math.Abs(row[c]) < Math.Abs(_ends[2][c]) ? row[c] : _ends[2][c];
        }
    }

    public void EndPart()
    {
        Parts.Add([.. _cells]);
        _cells.Clear();
    }

    private static float[] Filled(int length, float value)
    {
        var values = new float[length];
        Array.Fill(values, value);
        return values;
    }
}
