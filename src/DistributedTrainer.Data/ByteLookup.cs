using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Data;

/// <summary>
/// What preprocessing makes of each of the 256 bytes in each column: without text columns, every preprocessed column
/// depends on one column of the data. Immutable.
/// </summary>
internal sealed class ByteLookup
{
    private const int Values = ByteTable.Values;
    private readonly int[] _sources;
    private readonly float[] _table;

    // Pixels that are only scaled: one table for all columns stays in registers, 784 of them not even in the nearest cache. Empty: they differ.
    private readonly float[] _common = [];

    public ByteLookup(Dataset dataset, Preprocessor preprocessor)
    {
        _sources = preprocessor.Sources;
        _table = Table(dataset.FeatureCount, preprocessor.For(dataset), _sources.Length);
        var names = preprocessor.OutputNames;
        for (var c = 0; c < _sources.Length; c++)
        {
            Finite.CheckColumn(_table.AsSpan(c * Values, Values), names[c]);
        }

        if (IsIdentity(_sources) && Enumerable.Range(0, _sources.Length).All(c => Bits(_table, c).SequenceEqual(Bits(_table, 0))))
        {
            _common = _table[..Math.Min(Values, _table.Length)];
        }
    }

    /// <summary>Writes what became of a row.</summary>
    /// <param name="bytes">Of the row.</param>
    /// <param name="into">(columns after preprocessing)</param>
    /// <param name="ahead">A row that is asked for soon, or nothing.</param>
    // On the way of every training row: compiled fully from the first call on.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void CopyRow(ReadOnlySpan<byte> bytes, Span<float> into, ReadOnlySpan<byte> ahead = default)
    {
        var (sources, table) = (_sources, _table);
        into = into[..sources.Length];
        if (_common is { Length: Values } common)
        {
            ByteTable.LookUp(into, bytes[..into.Length], common, ahead);
            return;
        }

        for (var c = 0; c < into.Length; c++)
        {
            into[c] = table[(c * Values) + bytes[sources[c]]];
        }
    }

    /// <summary>What steps make of each byte in each column, (columns after them, 256); unchecked.</summary>
    internal static float[] Table(int features, RowTransform transform, int columns)
    {
        var table = new float[columns * Values];
        var (raw, row) = (new float[features], new float[columns]);
        for (var value = 0; value < Values; value++)
        {
            Array.Fill(raw, value);
            transform.Apply(raw, row);
            for (var c = 0; c < row.Length; c++)
            {
                table[(c * Values) + value] = row[c];
            }
        }

        return table;
    }

    private static bool IsIdentity(int[] sources) => sources.AsSpan().SequenceEqual(Enumerable.Range(0, sources.Length).ToArray());

    // As bits, since NaN is equal to nothing.
    private static ReadOnlySpan<int> Bits(float[] table, int column) =>
        MemoryMarshal.Cast<float, int>(table.AsSpan(column * Values, Values));
}
