using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Tests.Random;

public class PortableTrigonometryTests
{
    [Fact]
    public void Sine_and_cosine_are_within_an_ulp_of_the_platforms()
    {
        var stream = new RandomStream(7, RandomPurpose.Augment);
        for (var i = 0; i < 20_000; i++)
        {
            // Exponents from tiny to the end of the range.
            var x = ((2.0 * stream.Uniform(2 * i)) - 1) * Math.ScaleB(1, stream.Below((2 * i) + 1, 50) - 30);
            Near(Math.Sin(x), PortableMath.Sin(x), x);
            Near(Math.Cos(x), PortableMath.Cos(x), x);
        }
    }

    [Fact]
    public void Multiples_of_a_right_angle_are_as_exact_as_their_argument()
    {
        for (var n = -1000; n <= 1000; n++)
        {
            var x = n * (Math.PI / 2);
            Near(Math.Sin(x), PortableMath.Sin(x), x);
            Near(Math.Cos(x), PortableMath.Cos(x), x);
        }
    }

    [Theory]
    [InlineData(0.0, 0x0000000000000000ul, 0x3ff0000000000000ul)]
    [InlineData(0.5, 0x3fdeaee8744b05f0ul, 0x3fec1528065b7d50ul)]
    [InlineData(1.0, 0x3feaed548f090ceeul, 0x3fe14a280fb5068cul)]
    [InlineData(-2.0, 0xbfed18f6ead1b446ul, 0xbfdaa22657537205ul)]
    [InlineData(100000.0, 0x3fa24daa9c527e96ul, 0xbfeffac3841b3da7ul)]
    public void The_bits_are_fixed(double x, ulong sine, ulong cosine)
    {
        Assert.Equal(sine, BitConverter.DoubleToUInt64Bits(PortableMath.Sin(x)));
        Assert.Equal(cosine, BitConverter.DoubleToUInt64Bits(PortableMath.Cos(x)));
    }

    [Theory]
    [InlineData(1_000_001)]
    [InlineData(double.NaN)]
    [InlineData(double.NegativeInfinity)]
    public void Angles_out_of_range_are_refused(double x)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => PortableMath.Sin(x));
        Assert.Throws<ArgumentOutOfRangeException>(() => PortableMath.Cos(x));
    }

    private static void Near(double expected, double actual, double x)
    {
        var ulps = Math.Abs(BitConverter.DoubleToInt64Bits(expected) - BitConverter.DoubleToInt64Bits(actual));
        Assert.True(ulps <= 1 || Math.Abs(expected - actual) < 1e-30, $"at {x:r}: {actual:r} is {ulps} units from {expected:r}");
    }
}
