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
    /// <exception cref="ArgumentException">Shares that cannot be.</exception>
    public static DataSplit Draw(Dataset dataset, double validation, double test, bool stratify, ulong seed)
    {
        if (!(validation >= 0 && test >= 0 && validation + test < 1))
        {
            throw new ArgumentException($"split: validation is {validation} and test {test}; each must be 0 or more, and both together below 1. Lower them.");
        }

        var order = Enumerable.Range(0, dataset.Rows).ToArray();
        IndexShuffle.Shuffle(order, new RandomStream(seed, RandomPurpose.Split));
        var classes = stratify && dataset.Task == DataTask.Classification ? dataset.ClassNames.Count : 1;
        var rows = order.GroupBy(row => classes == 1 ? 0 : dataset.Labels[row]).OrderBy(static group => group.Key).Select(static group => group.ToArray()).ToArray();
        var left = Array.ConvertAll(rows, static group => group.Length);
        var forTest = Take(rows, left, Rounded(dataset.Rows * test));
        var forValidation = Take(rows, left, Rounded(dataset.Rows * validation));
        return new DataSplit(
            Collect((group, i) => group[(forTest[i] + forValidation[i])..]),
            Collect((group, i) => group[forTest[i]..(forTest[i] + forValidation[i])]),
            Collect((group, i) => group[..forTest[i]]));

        int[] Collect(Func<int[], int, int[]> part) => [.. rows.SelectMany(part).Order()];
    }

    private static int Rounded(double rows) => (int)Math.Round(rows, MidpointRounding.AwayFromZero);

    /// <summary>
    /// How many rows of each class a set of the wanted size gets: its exact share rounded down, then one more for the
    /// largest remainders, so that each class is within one row of its share. Takes them from those that are left.
    /// </summary>
    private static int[] Take(int[][] classes, int[] left, int wanted)
    {
        var all = classes.Sum(static rows => (long)rows.Length);
        var taken = new int[classes.Length];
        for (var c = 0; c < classes.Length; c++)
        {
            taken[c] = (int)(wanted * (long)classes[c].Length / all);
            left[c] -= taken[c];
        }

        // A class keeps its last training row as long as another can give one.
        var order = Enumerable.Range(0, classes.Length)
            .OrderBy(c => left[c] <= 1).ThenByDescending(c => wanted * (long)classes[c].Length % all).ThenBy(static c => c).ToArray();
        for (var missing = wanted - taken.Sum(); missing > 0;)
        {
            foreach (var c in order.Where(c => left[c] > 0).Take(missing))
            {
                taken[c]++;
                left[c]--;
                missing--;
            }
        }

        return taken;
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
