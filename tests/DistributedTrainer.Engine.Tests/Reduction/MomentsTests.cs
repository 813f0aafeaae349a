using DistributedTrainer.Engine.Kernels.Reference;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Reduction;

/// <summary>Pairwise moments against two passes over all rows in float64: means to 1e-12, sums of squares to 1e-9 (they lose what the mean takes), relative.</summary>
public sealed class MomentsTests
{
    private const int Columns = 5;

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(100_000)]
    public void Parts_combine_to_the_whole(double mean)
    {
        var x = Numbers.Normal(60 * Columns, 1, mean);
        var whole = Part(x, 0, 60);
        foreach (var cut in (int[])[1, 7, 30, 59])
        {
            AssertNear(whole, Combine(Part(x, 0, cut), Part(x, cut, 60)));
        }
    }

    [Fact]
    public void Combining_is_associative_to_rounding()
    {
        var x = Numbers.Normal(30 * Columns, 2, mean: 100);
        var (a, b, c) = (Part(x, 0, 3), Part(x, 3, 17), Part(x, 17, 30));
        AssertNear(Combine(Combine(a, b), c), Combine(a, Combine(b, c)));
    }

    [Fact]
    public void A_side_without_rows_changes_nothing()
    {
        var x = Numbers.Normal(9 * Columns, 3, mean: 100);
        var (part, empty) = (Part(x, 0, 9), Part(x, 0, 0));
        foreach (var (rows, mean, m2) in new[] { Combine(part, empty), Combine(empty, part) })
        {
            Assert.Equal(9, rows);
            AssertBits.Equal(part.Mean, mean, "mean");
            AssertBits.Equal(part.M2, m2, "M2");
        }

        var nothing = Combine(empty, empty);
        Assert.Equal(0, nothing.Rows);
        Assert.All(nothing.Mean.Concat(nothing.M2), static value => Assert.Equal(0.0, value));
    }

    private static (long Rows, double[] Mean, double[] M2) Part(float[] x, int first, int end)
    {
        var (mean, m2) = (new double[Columns], new double[Columns]);
        ReferenceBatchNorm.Moments(x.AsSpan(first * Columns, (end - first) * Columns), mean, m2);
        return (end - first, mean, m2);
    }

    private static (long Rows, double[] Mean, double[] M2) Combine((long Rows, double[] Mean, double[] M2) left, (long Rows, double[] Mean, double[] M2) right)
    {
        double[] mean = [.. left.Mean];
        double[] m2 = [.. left.M2];
        var rows = Moments.Combine(left.Rows, mean, m2, right.Rows, right.Mean, right.M2);
        return (rows, mean, m2);
    }

    private static void AssertNear((long Rows, double[] Mean, double[] M2) expected, (long Rows, double[] Mean, double[] M2) actual)
    {
        Assert.Equal(expected.Rows, actual.Rows);
        for (var c = 0; c < Columns; c++)
        {
            Assert.Equal(expected.Mean[c], actual.Mean[c], 1e-12 * Math.Max(1, Math.Abs(expected.Mean[c])));
            Assert.Equal(expected.M2[c], actual.M2[c], 1e-9 * expected.M2[c]);
        }
    }
}
