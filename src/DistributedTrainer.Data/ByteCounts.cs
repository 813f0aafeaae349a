using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace DistributedTrainer.Data;

/// <summary>
/// How often each of the 256 bytes stands in each column of the training rows: all that can be fitted on many rows of
/// bytes, in one pass over them. With up to <see cref="FewRows"/> rows statistics run over the rows in order, as those
/// of numbers do.
/// </summary>
internal sealed class ByteCounts
{
    /// <summary>So many rows are cheap to read twice.</summary>
    public const int FewRows = 1 << 20;

    private const int Values = 256;
    private readonly int[] _counts;

    private ByteCounts(int[] counts) => _counts = counts;

    /// <summary>Counts, or takes what was counted by another process of the machine.</summary>
    public static ByteCounts Of(Dataset dataset, ReadOnlySpan<int> rows)
    {
        if (!dataset.Features.IsMapped)
        {
            return new ByteCounts(Counted(dataset.Features, rows));
        }

        var chosen = Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(rows)));
        using var entry = DataCache.Enter($"counts-{Convert.ToHexStringLower(SHA256.HashData([.. Convert.FromHexString(dataset.Sha256), .. Convert.FromHexString(chosen)]))}");
        if (!entry.IsComplete)
        {
            var counted = Counted(dataset.Features, rows);
            using (var file = entry.Create("counts"))
            {
                file.Write(MemoryMarshal.AsBytes<int>(counted));
            }

            entry.Complete();
            return new ByteCounts(counted);
        }

        var counts = new int[dataset.Features.Columns * Values];
        using var stored = File.OpenRead(entry.File("counts"));
        stored.ReadExactly(MemoryMarshal.AsBytes(counts.AsSpan()));
        return new ByteCounts(counts);
    }

    /// <summary>Figures of what steps make of the bytes: each value counts as often as it occurs, the values in order.</summary>
    /// <param name="features">Columns of the data.</param>
    /// <param name="transform">The steps.</param>
    /// <param name="sources">For each preprocessed column the column of the data that it is made of.</param>
    /// <param name="names">Of the preprocessed columns.</param>
    /// <exception cref="InvalidDataException">A value is not finite.</exception>
    public ColumnStatistics Statistics(int features, RowTransform transform, int[] sources, IReadOnlyList<string> names)
    {
        var (table, columns) = (ByteLookup.Table(features, transform, sources.Length), sources.Length);
        var (mean, deviation, minimum, maximum) = (new double[columns], new double[columns], new double[columns], new double[columns]);
        for (var c = 0; c < columns; c++)
        {
            var counts = _counts.AsSpan(sources[c] * Values, Values);
            var values = table.AsSpan(c * Values, Values);
            var (rows, sum) = (0L, 0.0);
            (minimum[c], maximum[c]) = (double.PositiveInfinity, double.NegativeInfinity);
            for (var value = 0; value < Values; value++)
            {
                if (counts[value] > 0)
                {
                    Finite.CheckColumn(values.Slice(value, 1), names[c]);
                    rows += counts[value];
                    sum += counts[value] * (double)values[value];
                    (minimum[c], maximum[c]) = (Math.Min(minimum[c], values[value]), Math.Max(maximum[c], values[value]));
                }
            }

            mean[c] = minimum[c] == maximum[c] ? minimum[c] : sum / rows;
            for (var value = 0; value < Values; value++)
            {
                var difference = values[value] - mean[c];
                deviation[c] += counts[value] > 0 ? counts[value] * (difference * difference) : 0;
            }

            deviation[c] = Math.Sqrt(deviation[c] / rows);
        }

        return new ColumnStatistics(mean, deviation, minimum, maximum);
    }

    private static int[] Counted(FeatureTable features, ReadOnlySpan<int> rows)
    {
        var counts = new int[features.Columns * Values];
        foreach (var row in rows)
        {
            var bytes = features.ByteRow(row);
            for (var c = 0; c < bytes.Length; c++)
            {
                counts[(c * Values) + bytes[c]]++;
            }
        }

        return counts;
    }
}
