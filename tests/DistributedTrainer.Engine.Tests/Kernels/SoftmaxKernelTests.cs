using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Kernels.Reference;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Kernels;

/// <summary>
/// Softmax cross-entropy against float64. The sum of up to 256 float32 exponentials costs some rounding: 1e-5 relative,
/// 1e-6 absolute (a gradient is at most 1; a loss of 1 or more is a difference of numbers as large as the scores).
/// </summary>
public sealed class SoftmaxKernelTests
{
    [Fact]
    public void Cross_entropy_agrees_with_float64_for_every_number_of_classes()
    {
        foreach (var classes in Enumerable.Range(1, 256).Concat([511, 1000, 1023]))
        {
            Check(Numbers.Normal(4 * classes, classes, deviation: 3), classes);
        }
    }

    [Theory]
    [InlineData(300)]
    [InlineData(-300)]
    [InlineData(3e4)]
    public void Large_scores_give_finite_losses_and_gradients(double scale)
    {
        var z = Array.ConvertAll(Numbers.Normal(4 * 10, 3), value => (float)(value * scale));
        var (dz, losses) = Check(z, 10);
        Assert.All(dz, static value => Assert.True(float.IsFinite(value)));
        Assert.All(losses, static value => Assert.True(float.IsFinite(value)));
    }

    [Fact]
    public void A_row_has_the_same_bits_alone_and_among_others()
    {
        var z = Numbers.Normal(6 * 37, 4);
        var labels = Numbers.Below(6, 37, 5);
        var (dz, losses) = Compute(z, labels, 37);
        for (var row = 0; row < 6; row++)
        {
            var (alone, loss) = Compute(z[(row * 37)..((row + 1) * 37)], [labels[row]], 37);
            AssertBits.Equal(dz.AsSpan(row * 37, 37), alone, $"row {row}");
            AssertBits.Equal([losses[row]], loss, $"loss of row {row}");
        }
    }

    [Fact]
    public void One_class_has_no_loss_and_no_gradient()
    {
        var (dz, losses) = Compute([3, -400, 0], [0, 0, 0], 1);
        AssertBits.Equal([0, 0, 0], dz, "gradient");
        AssertBits.Equal([0, 0, 0], losses, "loss");
    }

    [Fact]
    public void No_rows_are_no_work()
    {
        var (dz, losses) = Compute([], [], 5);
        Assert.Empty(dz);
        Assert.Empty(losses);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(16)]
    [InlineData(18)]
    public void A_nan_among_the_scores_shows_in_the_loss_and_the_gradient(int place)
    {
        var z = Numbers.Normal(19, 6);
        z[place] = float.NaN;
        var (dz, losses) = Compute(z, [5], 19);
        Assert.True(float.IsNaN(losses[0]));
        Assert.All(dz, static value => Assert.True(float.IsNaN(value)));
    }

    [Fact]
    public void A_score_of_minus_infinity_has_no_probability()
    {
        var (dz, losses) = Compute([0, float.NegativeInfinity, 0], [0], 3);
        AssertBits.Equal([-0.5f, 0, 0.5f], dz, "gradient");
        Assert.Equal(0.693147f, losses[0], 1e-6f);
        Assert.Equal(float.PositiveInfinity, Compute([0, float.NegativeInfinity, 0], [1], 3).Losses[0]);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(4)]
    public void A_label_that_is_no_class_is_refused_by_row(int label)
    {
        var problem = Assert.Throws<ArgumentException>(() => Compute(Numbers.Normal(8, 1), [0, label], 4));
        Assert.Contains($"row 1 has class {label}", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Scores_that_are_no_whole_rows_are_refused() =>
        Assert.Throws<ArgumentException>(static () => SoftmaxKernel.CrossEntropy(new float[8], [0, 0, 0], new float[8], new float[3]));

    [Fact]
    public void Arg_max_takes_the_first_of_equals() => Assert.Equal(1, SoftmaxKernel.ArgMax([1, 5, 5, 2]));

    private static (float[] Dz, float[] Losses) Check(float[] z, int classes)
    {
        var labels = Numbers.Below(z.Length / classes, classes, 2);
        var (dz, losses) = Compute(z, labels, classes);
        var expectedDz = new double[dz.Length];
        var expectedLosses = new double[losses.Length];
        ReferenceSoftmax.CrossEntropy(z, labels, expectedDz, expectedLosses);
        AssertBits.Near(expectedDz, dz, 1e-5, 1e-6, $"gradient of {classes} classes");
        AssertBits.Near(expectedLosses, losses, 1e-5, 1e-6, $"loss of {classes} classes");
        return (dz, losses);
    }

    private static (float[] Dz, float[] Losses) Compute(float[] z, int[] labels, int classes)
    {
        Assert.Equal(z.Length, labels.Length * classes);
        var dz = new float[z.Length];
        var losses = new float[labels.Length];
        SoftmaxKernel.CrossEntropy(z, labels, dz, losses);
        return (dz, losses);
    }
}
