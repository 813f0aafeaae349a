using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Data;

/// <summary>Row numbers of the three sets, each in file order; together every row exactly once.</summary>
public sealed record DataSplit(int[] Training, int[] Validation, int[] Test)
{
    private const byte InValidation = 1;
    private const byte InTest = 2;

    /// <summary>Every row is a training row.</summary>
    public static DataSplit None(int rows) => new(Rows(0, rows), [], []);

    /// <summary>Nothing is drawn: every row is in the set of its source.</summary>
    public static DataSplit None(Dataset dataset) => Draw(dataset, 0, 0, stratify: false, seed: 0);

    /// <summary>Draws validation and test rows from those of the training source; a set that has a source of its own is that source.</summary>
    /// <param name="dataset">What to split.</param>
    /// <param name="validation">Share of the training source's rows, from 0; without effect where there is a validation source.</param>
    /// <param name="test">Share of the training source's rows, from 0; without effect where there is a test source. Both together below 1.</param>
    /// <param name="stratify">Keep the classes' shares in each set (classification only).</param>
    /// <param name="seed">The experiment's seed.</param>
    /// <exception cref="ArgumentException">Shares that cannot be.</exception>
    public static DataSplit Draw(Dataset dataset, double validation, double test, bool stratify, ulong seed)
    {
        validation = dataset.ValidationRows > 0 ? 0 : validation;
        test = dataset.TestRows > 0 ? 0 : test;
        if (!(validation >= 0 && test >= 0 && validation + test < 1))
        {
            throw new ArgumentException($"split: validation is {validation} and test {test}; each must be 0 or more, and both together below 1. Lower them.");
        }

        var (testRows, validationRows) = (Rounded(dataset.TrainingRows * test), Rounded(dataset.TrainingRows * validation));
        var set = new byte[dataset.TrainingRows];
        if (testRows + validationRows > 0)
        {
            var classes = Shuffled(dataset, stratify, seed);
            var left = Array.ConvertAll(classes, static rows => rows.Length);
            var forTest = Take(classes, left, testRows);
            var forValidation = Take(classes, left, validationRows);
            for (var c = 0; c < classes.Length; c++)
            {
                Mark(set, classes[c].AsSpan(0, forTest[c]), InTest);
                Mark(set, classes[c].AsSpan(forTest[c], forValidation[c]), InValidation);
            }
        }

        return new DataSplit(
            Marked(set, 0),
            [.. Marked(set, InValidation), .. Rows(dataset.TrainingRows, dataset.ValidationRows)],
            [.. Marked(set, InTest), .. OwnTest(dataset)]);
    }

    /// <summary>
    /// k splits for cross-validation: every row of the training source that is not a test row is a validation row in
    /// exactly one of them and a training row in the others. The folds' sizes differ by one row at most, and so do a
    /// class's rows in them where they are stratified. The test rows are the same in all, and those that
    /// <see cref="Draw"/> takes with the same share and seed.
    /// </summary>
    /// <param name="dataset">What to split.</param>
    /// <param name="folds">k, from 2 to the number of rows.</param>
    /// <param name="stratify">Keep the classes' shares in each fold (classification only).</param>
    /// <param name="seed">The experiment's seed.</param>
    /// <param name="test">Share of the training source's rows that is kept apart as test rows, from 0, below 1; without effect where there is a test source.</param>
    /// <exception cref="ArgumentException">Numbers that cannot be, or a validation source beside the folds.</exception>
    public static DataSplit[] Folds(Dataset dataset, int folds, bool stratify, ulong seed, double test = 0)
    {
        if (dataset.ValidationRows > 0)
        {
            throw new ArgumentException("folds: each fold is the validation set once, so there can be no validation source. Remove one of the two.", nameof(dataset));
        }

        var (pool, _, apart) = Draw(dataset, 0, test, stratify, seed);
        if (folds < 2 || folds > pool.Length)
        {
            throw new ArgumentException($"folds: {folds} folds of {pool.Length} rows were asked for. Choose from 2 to the number of rows.", nameof(folds));
        }

        // Dealt like cards, class after class: no fold gets two rows more than another, of a class or of all.
        var remaining = pool.ToHashSet();
        var dealt = Shuffled(dataset, stratify, seed).SelectMany(static rows => rows).Where(remaining.Contains).ToArray();
        return [.. Enumerable.Range(0, folds).Select(fold => new DataSplit(
            [.. dealt.Where((_, place) => place % folds != fold).Order()], [.. dealt.Where((_, place) => place % folds == fold).Order()], apart))];
    }

    /// <summary>
    /// The same split with fewer training rows; a smaller share takes some of the rows of a larger one, so that a
    /// learning curve grows row by row.
    /// </summary>
    /// <param name="dataset">What was split.</param>
    /// <param name="share">Share of the training rows that is kept, above 0 and up to 1; at least one row.</param>
    /// <param name="stratify">Keep the classes' shares (classification only).</param>
    /// <param name="seed">The experiment's seed.</param>
    /// <exception cref="ArgumentException">A share that cannot be.</exception>
    public DataSplit WithTrainingShare(Dataset dataset, double share, bool stratify, ulong seed)
    {
        if (!(share > 0 && share <= 1))
        {
            throw new ArgumentException($"split: a training share of {share} was asked for; it must be above 0 and up to 1.", nameof(share));
        }

        var training = Training.ToHashSet();
        var classes = Array.ConvertAll(Shuffled(dataset, stratify, seed), rows => Array.FindAll(rows, training.Contains));

        // Each class gives its rows evenly: the j-th of n stands at (j + ½) / n of the way.
        return this with
        {
            Training = [.. classes
                .SelectMany(static (rows, c) => rows.Select((row, j) => (Row: row, Place: (j + 0.5) / rows.Length, Class: c)))
                .OrderBy(static entry => entry.Place)
                .ThenBy(static entry => entry.Class)
                .Take(Math.Max(1, Rounded(Training.Length * share)))
                .Select(static entry => entry.Row)
                .Order()],
        };
    }

    private static void Mark(byte[] set, ReadOnlySpan<int> rows, byte mark)
    {
        foreach (var row in rows)
        {
            set[row] = mark;
        }
    }

    /// <summary>The rows with a mark, in file order.</summary>
    private static int[] Marked(byte[] set, byte mark)
    {
        var (rows, at) = (new int[set.AsSpan().Count(mark)], 0);
        for (var row = 0; at < rows.Length; row++)
        {
            if (set[row] == mark)
            {
                rows[at++] = row;
            }
        }

        return rows;
    }

    private static int[] Rows(int first, int count) => [.. Enumerable.Range(first, count)];

    private static int[] OwnTest(Dataset dataset) => Rows(dataset.Rows - dataset.TestRows, dataset.TestRows);

    private static int Rounded(double rows) => (int)Math.Round(rows, MidpointRounding.AwayFromZero);

    /// <summary>The rows of each class in random order; all rows as one class where shares do not matter.</summary>
    private static int[][] Shuffled(Dataset dataset, bool stratify, ulong seed)
    {
        var order = Rows(0, dataset.TrainingRows);
        IndexShuffle.Shuffle(order, new RandomStream(seed, RandomPurpose.Split));
        stratify &= dataset.Task == DataTask.Classification;
        if (!stratify)
        {
            return [order];
        }

        var (rows, at) = (new int[dataset.ClassNames.Count], new int[dataset.ClassNames.Count]);
        foreach (var row in order)
        {
            rows[dataset.Labels[row]]++;
        }

        var classes = Array.ConvertAll(rows, static count => new int[count]);
        foreach (var row in order)
        {
            var label = dataset.Labels[row];
            classes[label][at[label]++] = row;
        }

        return Array.FindAll(classes, static rows => rows.Length > 0);
    }

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
