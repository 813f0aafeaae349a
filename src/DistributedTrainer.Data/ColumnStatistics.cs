namespace DistributedTrainer.Data;

/// <summary>Figures of each column over some rows, in float64, the rows taken in order; the deviation is over n.</summary>
internal sealed record ColumnStatistics(double[] Mean, double[] Deviation, double[] Minimum, double[] Maximum)
{
    /// <exception cref="InvalidDataException">A value is not finite.</exception>
    public static ColumnStatistics Of(Dataset dataset, ReadOnlySpan<int> rows, RowTransform transform, IReadOnlyList<string> names)
    {
        var columns = transform.Width;
        var (mean, deviation, minimum, maximum) = (new double[columns], new double[columns], new double[columns], new double[columns]);
        Array.Fill(minimum, double.PositiveInfinity);
        Array.Fill(maximum, double.NegativeInfinity);
        var (raw, row) = (new float[dataset.FeatureCount], new float[columns]);
        foreach (var index in rows)
        {
            Read(index);
            Finite.Check(row, names);
            for (var c = 0; c < columns; c++)
            {
                mean[c] += row[c];
                minimum[c] = Math.Min(minimum[c], row[c]);
                maximum[c] = Math.Max(maximum[c], row[c]);
            }
        }

        for (var c = 0; c < columns; c++)
        {
            // The mean of equal numbers may be rounded: a constant column is taken as what it is.
            mean[c] = minimum[c] == maximum[c] ? minimum[c] : mean[c] / rows.Length;
        }

        foreach (var index in rows)
        {
            Read(index);
            for (var c = 0; c < columns; c++)
            {
                var difference = row[c] - mean[c];
                deviation[c] += difference * difference;
            }
        }

        for (var c = 0; c < columns; c++)
        {
            deviation[c] = Math.Sqrt(deviation[c] / rows.Length);
        }

        return new ColumnStatistics(mean, deviation, minimum, maximum);

        void Read(int index)
        {
            dataset.Features.CopyRow(index, raw);
            transform.Apply(raw, row);
        }
    }
}

/// <summary>Refuses values that a step has driven out of float32.</summary>
internal static class Finite
{
    /// <exception cref="InvalidDataException">A value is not finite.</exception>
    public static void Check(ReadOnlySpan<float> row, IReadOnlyList<string> names)
    {
        for (var c = 0; c < row.Length; c++)
        {
            if (!float.IsFinite(row[c]))
            {
                throw TooLarge(names[c]);
            }
        }
    }

    /// <summary>The same for values of one column.</summary>
    /// <exception cref="InvalidDataException">A value is not finite.</exception>
    public static void CheckColumn(ReadOnlySpan<float> values, string name)
    {
        foreach (var value in values)
        {
            if (!float.IsFinite(value))
            {
                throw TooLarge(name);
            }
        }
    }

    private static InvalidDataException TooLarge(string name) =>
        new($"data.preprocess: a value of column {name} becomes larger than a 32-bit number can be. Standardize before polynomial, or use a smaller scale or degree.");
}
