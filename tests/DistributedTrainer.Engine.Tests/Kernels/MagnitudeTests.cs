using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Kernels;

/// <summary>The largest magnitude against one number at a time, at every length.</summary>
public sealed class MagnitudeTests
{
    [Fact]
    public void It_is_the_largest_at_every_length()
    {
        foreach (var length in Numbers.Lengths)
        {
            var x = Numbers.Normal(length, length);
            AssertBits.Equal([x.Select(MathF.Abs).Append(0).Max()], [Magnitude.Largest(x)], $"length {length}");
        }
    }

    [Fact]
    public void The_largest_is_found_at_every_place_whatever_its_sign()
    {
        foreach (var place in Enumerable.Range(0, 100))
        {
            var x = Numbers.Normal(100, place);
            x[place] = place % 2 == 0 ? 1e30f : -1e30f;
            Assert.Equal(1e30f, Magnitude.Largest(x));
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void A_single_number_that_is_not_finite_is_found_at_every_length_and_place(float wrong)
    {
        foreach (var length in Enumerable.Range(1, 256))
        {
            foreach (var place in (int[])[0, length / 2, length - 1])
            {
                var x = Numbers.Normal(length, length);
                x[place] = wrong;
                Assert.Equal(MathF.Abs(wrong), Magnitude.Largest(x));
            }
        }
    }

    [Fact]
    public void NaN_is_above_infinity_and_both_are_above_all_numbers()
    {
        Assert.True(float.IsNaN(Magnitude.Largest([float.PositiveInfinity, -float.NaN, float.MaxValue])));
        Assert.Equal(float.PositiveInfinity, Magnitude.Largest([float.MaxValue, float.NegativeInfinity]));
        Assert.Equal(float.MaxValue, Magnitude.Largest([float.MinValue, 1]));
        Assert.Equal(0, Magnitude.Largest([]));
        Assert.Equal(float.Epsilon, Magnitude.Largest([0, -float.Epsilon]));
    }
}
