using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Data;

/// <summary>Row numbers of the three sets, each in file order; together every row exactly once.</summary>
public sealed record DataSplit(int[] Training, int[] Validation, int[] Test)
{
    /// <summary>Every row is a training row.</summary>
    public static DataSplit None(int rows) => new([.. Enumerable.Range(0, rows)], [], []);

    /// <summary>Draws validation and test rows.</summary>
    /// <param name="dataset">What to split.</param>
    /// <param name="validation">Share of all rows, from 0.</param>
    /// <param name="test">Share of all rows, from 0; both together below 1.</param>
    /// <param name="stratify">Keep the classes' shares in each set (classification only).</param>
    /// <param name="seed">The experiment's seed.</param>
    public static DataSplit Draw(Dataset dataset, double validation, double test, bool stratify, ulong seed)
    {
        var order = Enumerable.Range(0, dataset.Rows).ToArray();
        IndexShuffle.Shuffle(order, new RandomStream(seed, RandomPurpose.Split));
        if (stratify && dataset.Task == DataTask.Classification)
        {
            order = Interleave(order, dataset);
        }

        // Sorted by class shares, every prefix holds the classes in their shares: so does any cut of it.
        var testRows = (int)Math.Round(dataset.Rows * test, MidpointRounding.AwayFromZero);
        var validationRows = (int)Math.Round(dataset.Rows * validation, MidpointRounding.AwayFromZero);
        return new DataSplit(
            [.. order[(testRows + validationRows)..].Order()], [.. order[testRows..(testRows + validationRows)].Order()], [.. order[..testRows].Order()]);
    }

    private static int[] Interleave(int[] order, Dataset dataset)
    {
        var counts = new int[dataset.ClassNames.Count];
        foreach (var row in order)
        {
            counts[dataset.Labels[row]]++;
        }

        // The j-th of n rows of a class stands at (j + ½) / n of the way.
        var seen = new int[counts.Length];
        return [.. order
            .Select(row => (Row: row, Place: (seen[dataset.Labels[row]]++ + 0.5) / counts[dataset.Labels[row]], Class: dataset.Labels[row]))
            .OrderBy(static entry => entry.Place)
            .ThenBy(static entry => entry.Class)
            .Select(static entry => entry.Row)];
    }
}

/// <summary>Fisher-Yates with numbers by position: the order depends on the stream's names alone.</summary>
internal static class IndexShuffle
{
    public static void Shuffle(Span<int> rows, RandomStream stream)
    {
        for (var i = rows.Length - 1; i > 0; i--)
        {
            var j = stream.Below(i, i + 1);
            (rows[i], rows[j]) = (rows[j], rows[i]);
        }
    }
}
