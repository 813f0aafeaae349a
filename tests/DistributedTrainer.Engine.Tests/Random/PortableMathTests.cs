using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Tests.Random;

/// <summary>Portable float64 functions against the platform's and against tables.</summary>
public sealed class PortableMathTests
{
    [Fact]
    public void Log_is_within_one_ulp_of_the_platforms()
    {
        // Over all exponents of normal numbers, and densely around 1, where digits are lost first.
        var stream = new RandomStream(1, RandomPurpose.Augment);
        for (var i = 0; i < 200_000; i++)
        {
            var fraction = ((ulong)stream.Bits(2L * i) << 32) | stream.Bits((2L * i) + 1);
            var exponent = (ulong)(1 + (i % 2046));
            Check(BitConverter.UInt64BitsToDouble((exponent << 52) | (fraction >> 12)));
            Check(1 + ((fraction / (double)ulong.MaxValue) - 0.5) / (1 + (i % 1000)));
        }

        static void Check(double x)
        {
            var (expected, actual) = (Math.Log(x), PortableMath.Log(x));
            Assert.True(Math.Abs(actual - expected) <= Math.BitIncrement(Math.Abs(expected)) - Math.Abs(expected), $"log({x:R}) is {actual:R}, the platform says {expected:R}");
        }
    }

    [Fact]
    public void Log_of_one_is_zero() => Assert.Equal(0.0, PortableMath.Log(1));

    [Theory]
    [InlineData(0.9, 1)]
    [InlineData(0.999, 10_000)]
    [InlineData(1.5, 64)]
    [InlineData(0.9f, 123)]
    [InlineData(2, 0)]
    [InlineData(0.5, 1074)]
    public void Power_agrees_with_the_platform(double x, long power) =>
        Assert.Equal(1.0, PortableMath.Power(x, power) / Math.Pow(x, power), 1e-12);

    [Fact]
    public void Power_underflows_to_zero() => Assert.Equal(0.0, PortableMath.Power(0.9, long.MaxValue));

    [Theory]
    [InlineData(0.5, 0)]
    [InlineData(0.975, 1.959963984540054)]
    [InlineData(0.025, -1.959963984540054)]
    [InlineData(0.25, -0.6744897501960817)]
    [InlineData(0.001, -3.090232306167813)]
    [InlineData(0.925, 1.4395314709384563)]
    [InlineData(1e-10, -6.361340902404056)]
    [InlineData(1e-20, -9.262340089798408)]
    public void The_normal_quantile_agrees_with_tables(double p, double z) => Assert.Equal(z, NormalQuantile.At(p), 2e-15 * Math.Max(1, Math.Abs(z)));

    [Fact]
    public void The_normal_quantile_is_odd_and_grows()
    {
        var last = double.NegativeInfinity;
        for (var i = 1; i < 4096; i++)
        {
            var z = NormalQuantile.At(i / 4096.0);
            Assert.Equal(-NormalQuantile.At(1 - (i / 4096.0)), z);
            Assert.True(z > last);
            last = z;
        }
    }
}
