using CsCheck;
using DistributedTrainer.Engine.Metrics;

namespace DistributedTrainer.Engine.Tests.Metrics;

/// <summary>The area under the ROC curve: exact, since it is a count of pairs.</summary>
public sealed class RocAucTests
{
    [Fact]
    public void Pairs_are_counted()
    {
        // scikit-learn's example: of the four pairs (0.35, 0.1), (0.35, 0.4), (0.8, 0.1), (0.8, 0.4) three are right.
        Assert.Equal(0.75, RocAuc.Binary([0.1f, 0.4f, 0.35f, 0.8f], [0, 0, 1, 1]));
        Assert.Equal(1, RocAuc.Binary([1, 2, 3, 4], [0, 0, 1, 1]));
        Assert.Equal(0, RocAuc.Binary([1, 2, 3, 4], [1, 1, 0, 0]));
    }

    [Fact]
    public void Ties_count_half()
    {
        Assert.Equal(0.5, RocAuc.Binary([7, 7, 7, 7], [0, 1, 0, 1]));

        // Positives 2, 3; negatives 1, 2, 3: 2 beats 1 and ties 2 (1.5), 3 beats 1 and 2 and ties 3 (2.5): 4 of 6.
        Assert.Equal(4.0 / 6, RocAuc.Binary([1, 2, 3, 2, 3], [0, 0, 0, 1, 1]));
        Assert.Equal(0.5, RocAuc.Binary([-0f, 0f], [0, 1]));
    }

    [Fact]
    public void A_class_alone_has_no_area()
    {
        Assert.Null(RocAuc.Binary([1, 2], [1, 1]));
        Assert.Null(RocAuc.Binary([1, 2], [0, 0]));
        Assert.Null(RocAuc.Binary([], []));
        Assert.Null(RocAuc.MacroOneVersusRest([1, 0, 1, 0], 2, [1, 1]));
    }

    [Fact]
    public void Each_class_is_held_against_the_rest()
    {
        // Class 0: scores 0.6 | 0.5, 0.3 → 1. Class 1: 0.3 | 0.3, 0.2 → (½ + 1) / 2 = 0.75. Class 2: 0.5 | 0.1, 0.2 → 1.
        float[] scores = [0.6f, 0.3f, 0.1f, 0.5f, 0.3f, 0.2f, 0.3f, 0.2f, 0.5f];
        int[] labels = [0, 1, 2];
        Assert.Equal([1.0, 0.75, 1.0], Enumerable.Range(0, 3).Select(label => RocAuc.OneVersusRest(scores, 3, labels, label)!.Value));
        Assert.Equal(2.75 / 3, RocAuc.MacroOneVersusRest(scores, 3, labels)!.Value, 1e-15);

        // Without a row of class 2, the mean is over the other two.
        Assert.Null(RocAuc.OneVersusRest(scores.AsSpan(0, 6), 3, [0, 1], 2));
        Assert.Equal(0.75, RocAuc.MacroOneVersusRest(scores.AsSpan(0, 6), 3, [0, 1]));
    }

    [Fact]
    public void It_is_the_count_over_all_pairs() => Property.For(
        Rows,
        static rows =>
        {
            var (wins, pairs) = (0.0, 0L);
            foreach (var (positive, _) in rows.Where(static row => row.Item2 == 1))
            {
                foreach (var (negative, _) in rows.Where(static row => row.Item2 == 0))
                {
                    wins += positive > negative ? 1 : positive == negative ? 0.5 : 0;
                    pairs++;
                }
            }

            Assert.Equal(pairs == 0 ? null : wins / pairs, Area(rows, static score => score));
        });

    [Fact]
    public void Only_the_order_of_the_scores_matters() => Property.For(
        Rows,
        static rows =>
        {
            // Whole numbers up to 20: both maps are exact, so that no two scores become one.
            Assert.Equal(Area(rows, static score => score), Area(rows, static score => (score * score * score) + 5));
            Assert.Equal(Area(rows, static score => score), Area(rows, static score => score / 64));

            // Upside down, every pair is the other way round.
            if (Area(rows, static score => score) is { } area)
            {
                Assert.Equal(1 - area, Area(rows, static score => -score)!.Value, 1e-15);
            }
        });

    [Fact]
    public void The_order_of_the_rows_does_not_matter() => Property.For(
        Rows,
        static rows => Assert.Equal(Area(rows, static score => score), Area([.. rows.Reverse()], static score => score)));

    [Fact]
    public void Mistakes_are_named()
    {
        Assert.Contains("row 1 is NaN", Assert.Throws<ArgumentException>(() => RocAuc.Binary([0, float.NaN], [0, 1])).Message);
        Assert.Contains("label of row 0 is 2", Assert.Throws<ArgumentException>(() => RocAuc.Binary([0, 1], [2, 1])).Message);
        Assert.Contains("3 scores for 2 rows", Assert.Throws<ArgumentException>(() => RocAuc.Binary([0, 1, 2], [0, 1])).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => RocAuc.OneVersusRest([0, 1], 2, [0], 2));
    }

    private static Gen<(int, int)[]> Rows => Gen.Select(Gen.Int[-20, 20], Gen.Int[0, 1]).Array[0, 40];

    private static double? Area((int Score, int Label)[] rows, Func<float, float> map) =>
        RocAuc.Binary(Array.ConvertAll(rows, row => map(row.Score)), Array.ConvertAll(rows, static row => row.Label));
}
