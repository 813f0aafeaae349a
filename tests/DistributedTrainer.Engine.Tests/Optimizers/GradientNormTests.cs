using DistributedTrainer.Engine.Optimizers;

namespace DistributedTrainer.Engine.Tests.Optimizers;

public class GradientNormTests
{
    [Fact]
    public void The_norm_has_the_same_bits_for_any_number_of_partitions()
    {
        const int Length = (11 * GradientNorm.BlockLength) + 77;
        var gradient = OptimizerRun.Uniform(Length, 41);
        var whole = new double[GradientNorm.Blocks(Length)];
        GradientNorm.BlockSums(gradient, whole);
        var expected = GradientNorm.Combine([.. whole]);
        foreach (var blocksEach in new[] { 1, 2, 3, 5, 11 })
        {
            var sums = new double[whole.Length];
            for (var first = 0; first < sums.Length; first += blocksEach)
            {
                var last = Math.Min(sums.Length, first + blocksEach);
                GradientNorm.BlockSums(
                    gradient.AsSpan(first * GradientNorm.BlockLength, Math.Min(Length, last * GradientNorm.BlockLength) - (first * GradientNorm.BlockLength)), sums.AsSpan(first, last - first));
            }

            Assert.Equal(whole, sums);
            Assert.Equal(expected, GradientNorm.Combine(sums));
        }

        Assert.Equal(gradient.Sum(static g => (double)g * g), expected, 1e-8);
    }

    [Fact]
    public void Every_length_of_a_block_is_summed_whole()
    {
        for (var length = 0; length <= 70; length++)
        {
            float[] ones = [.. Enumerable.Repeat(2f, length)];
            var sums = new double[GradientNorm.Blocks(length)];
            GradientNorm.BlockSums(ones, sums);
            Assert.Equal(4.0 * length, GradientNorm.Combine(sums));
        }
    }

    // Holds on every vector width and every machine.
    [Fact]
    public void Bits_are_the_same_on_every_vector_width()
    {
        var sums = new double[3];
        GradientNorm.BlockSums(OptimizerRun.Uniform((2 * GradientNorm.BlockLength) + 19, 42), sums);
        Assert.Equal("40a584ab621a7c95", BitConverter.DoubleToInt64Bits(GradientNorm.Combine(sums)).ToString("x16", System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public void Combine_adds_in_a_binary_tree()
    {
        // (1 + 2⁻⁵³) + (2⁻⁵³ + 0): from left to right both halves would be lost, in the tree one pair of them counts.
        var half = Math.Pow(2, -53);
        Assert.Equal(1 + (2 * half), GradientNorm.Combine([1, 0, half, half]));
        Assert.Equal(1, GradientNorm.Combine([1, half, half]));
        Assert.Equal(0, GradientNorm.Combine([]));
        Assert.Equal(6, GradientNorm.Combine([1, 2, 3]));
    }

    [Fact]
    public void A_long_gradient_is_scaled_to_the_norm_and_a_short_one_left_alone()
    {
        // The sum over 2 rows is (6, 8), so the mean is (3, 4) with norm 5.
        var sums = new double[1];
        GradientNorm.BlockSums([6, 8], sums);
        Assert.Equal((float)(1 / (5 + 1e-6)), GradientNorm.Scale(GradientNorm.Combine(sums), 2, 1));
        Assert.Equal(1, GradientNorm.Scale(100, 2, 7));
    }

    [Fact]
    public void Extreme_gradients_have_a_defined_scale()
    {
        var sums = new double[1];
        GradientNorm.BlockSums([1e30f, -1e30f], sums);
        Assert.Equal(1 / (Math.Sqrt(2) * 1e30), GradientNorm.Scale(sums[0], 1, 1), 1e-35);
        Assert.Equal(0, GradientNorm.Scale(double.PositiveInfinity, 1, 1));
        Assert.True(float.IsNaN(GradientNorm.Scale(double.NaN, 1, 1)));
        Assert.Equal(1, GradientNorm.Scale(0, 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(static () => GradientNorm.Scale(1, 1, 0));
        Assert.Throws<ArgumentException>(static () => GradientNorm.BlockSums([1], new double[2]));
    }
}
