using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Kernels.Reference;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Kernels;

/// <summary>Batch-norm kernels against one number at a time, bit for bit, at every number of columns.</summary>
public sealed class BatchNormKernelTests
{
    private static readonly int[] Rows = [0, 1, 2, 9];

    [Fact]
    public void Moments_give_the_reference_bits_at_every_width() => ForEachShape(static (rows, columns) =>
    {
        var x = Numbers.Normal(rows * columns, 1, mean: 100);
        var (mean, m2) = (new double[columns], new double[columns]);
        var (expectedMean, expectedM2) = (new double[columns], new double[columns]);
        BatchNormKernel.Moments(x, mean, m2);
        ReferenceBatchNorm.Moments(x, expectedMean, expectedM2);
        AssertBits.Equal(expectedMean, mean, $"mean of {rows}x{columns}");
        AssertBits.Equal(expectedM2, m2, $"M2 of {rows}x{columns}");
    });

    [Fact]
    public void Normalize_gives_the_reference_bits_at_every_width() => ForEachShape(static (rows, columns) =>
    {
        var x = Numbers.Normal(rows * columns, 1, mean: 100);
        var mean = Array.ConvertAll(Numbers.Normal(columns, 2, mean: 100), static value => value + 1e-7);
        var (inverse, gamma, beta) = (Numbers.Normal(columns, 3, 1, 0.1), Numbers.Normal(columns, 4), Numbers.Normal(columns, 5));
        var (xhat, y) = (new float[x.Length], new float[x.Length]);
        var (expectedXhat, expectedY) = (new float[x.Length], new float[x.Length]);
        BatchNormKernel.Normalize(xhat, y, x, mean, inverse, gamma, beta);
        ReferenceBatchNorm.Normalize(expectedXhat, expectedY, x, mean, inverse, gamma, beta);
        AssertBits.Equal(expectedXhat, xhat, $"x̂ of {rows}x{columns}");
        AssertBits.Equal(expectedY, y, $"y of {rows}x{columns}");
    });

    [Fact]
    public void Backward_sums_give_the_reference_bits_at_every_width() => ForEachShape(static (rows, columns) =>
    {
        var (dy, xhat) = (Numbers.WithSpecial(rows * columns, 1), Numbers.Normal(rows * columns, 2));
        var (first, second) = (new double[columns], new double[columns]);
        var (expectedFirst, expectedSecond) = (new double[columns], new double[columns]);
        BatchNormKernel.BackwardSums(dy, xhat, first, second);
        ReferenceBatchNorm.BackwardSums(dy, xhat, expectedFirst, expectedSecond);
        AssertBits.Equal(expectedFirst, first, $"Σ dy of {rows}x{columns}");
        AssertBits.Equal(expectedSecond, second, $"Σ dy·x̂ of {rows}x{columns}");
    });

    [Fact]
    public void Backward_input_gives_the_reference_bits_at_every_width() => ForEachShape(static (rows, columns) =>
    {
        var (dy, xhat) = (Numbers.WithSpecial(rows * columns, 1), Numbers.Normal(rows * columns, 2));
        var (gamma, inverse) = (Numbers.Normal(columns, 3), Numbers.Normal(columns, 4, 1, 0.1));
        var sumDy = Array.ConvertAll(Numbers.Normal(columns, 5), static value => value * 1.0000001);
        var sumDyXhat = Array.ConvertAll(Numbers.Normal(columns, 6), static value => value * 1.0000001);
        var (dx, expected) = (new float[dy.Length], new float[dy.Length]);
        BatchNormKernel.BackwardInput(dx, dy, xhat, gamma, inverse, sumDy, sumDyXhat, 11);
        ReferenceBatchNorm.BackwardInput(expected, dy, xhat, gamma, inverse, sumDy, sumDyXhat, 11);
        AssertBits.Equal(expected, dx, $"dx of {rows}x{columns}");
    });

    [Fact]
    public void A_column_far_from_zero_keeps_its_variance()
    {
        // The spacing of float32 at 1e6 is 1/16: exact deviations of 1 and −1.
        var (mean, m2) = (new double[1], new double[1]);
        BatchNormKernel.Moments([1000001, 999999, 1000001, 999999], mean, m2);
        Assert.Equal(1e6, mean[0]);
        Assert.Equal(4.0, m2[0]);
    }

    private static void ForEachShape(Action<int, int> check)
    {
        foreach (var columns in Numbers.Lengths.Where(static columns => columns is > 0 and < 1000))
        {
            foreach (var rows in Rows)
            {
                check(rows, columns);
            }
        }
    }
}
