using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Kernels.Reference;
using DistributedTrainer.Engine.Tests.Support;
using Xunit.Sdk;

namespace DistributedTrainer.Engine.Tests.Kernels;

/// <summary>Our own exp, log, tanh and sigmoid: at most 2 units in the last place from float64 over all of float32.</summary>
public sealed class VectorMathTests
{
    private const int Ulps = 2;

    // Every 641st bit pattern, both signs: 6.7 million numbers, denormal ones, infinities and NaN among them.
    private const uint Stride = 641;

    private delegate void Function(Span<float> destination, ReadOnlySpan<float> source);

    [Fact]
    public void Exp_is_within_two_ulps_everywhere() => Sweep(VectorMath.Exp, ReferenceMath.Exp, "exp");

    [Fact]
    public void Log_is_within_two_ulps_everywhere() => Sweep(VectorMath.Log, ReferenceMath.Log, "log");

    [Fact]
    public void Tanh_is_within_two_ulps_everywhere() => Sweep(VectorMath.Tanh, ReferenceMath.Tanh, "tanh");

    [Fact]
    public void Sigmoid_is_within_two_ulps_everywhere() => Sweep(VectorMath.Sigmoid, ReferenceMath.Sigmoid, "sigmoid");

    [Fact]
    public void Special_numbers_give_what_the_definitions_say()
    {
        AssertBits.Equal([1, 1, float.PositiveInfinity, 0, float.NaN, float.PositiveInfinity, 0], Of(VectorMath.Exp, 0f, -0f, float.PositiveInfinity, float.NegativeInfinity, float.NaN, float.MaxValue, float.MinValue), "exp");
        AssertBits.Equal([float.NegativeInfinity, float.NegativeInfinity, 0, float.PositiveInfinity, float.NaN, float.NaN, float.NaN, float.NaN], Of(VectorMath.Log, 0f, -0f, 1f, float.PositiveInfinity, float.NegativeInfinity, -1f, float.NaN, -float.Epsilon), "log");
        AssertBits.Equal([0, -0f, 1, -1, float.NaN, float.Epsilon, -float.Epsilon], Of(VectorMath.Tanh, 0f, -0f, float.PositiveInfinity, float.NegativeInfinity, float.NaN, float.Epsilon, -float.Epsilon), "tanh");
        AssertBits.Equal([0.5f, 0.5f, 1, 0, float.NaN], Of(VectorMath.Sigmoid, 0f, -0f, float.PositiveInfinity, float.NegativeInfinity, float.NaN), "sigmoid");
    }

    [Fact]
    public void An_element_has_the_same_bits_at_every_place_of_every_length()
    {
        var x = Numbers.Normal(4097, 5, deviation: 30);
        foreach (var (function, name) in new (Function, string)[] { (VectorMath.Exp, "exp"), (VectorMath.Log, "log"), (VectorMath.Tanh, "tanh"), (VectorMath.Sigmoid, "sigmoid") })
        {
            var whole = Of(function, x);
            foreach (var length in Numbers.Lengths)
            {
                // Other places within the lanes, and both behind and before the tail.
                var first = Math.Min(x.Length - length, length % 19);
                AssertBits.Equal(whole.AsSpan(first, length), Of(function, x[first..(first + length)]), $"{name} of {length} from {first}");
            }
        }
    }

    [Fact]
    public void One_logarithm_has_the_bits_of_a_span()
    {
        var x = Array.ConvertAll(Numbers.WithSpecial(1000, 6), Math.Abs);
        AssertBits.Equal(Of(VectorMath.Log, x), Array.ConvertAll(x, VectorMath.Log), "log");
    }

    [Fact]
    public void A_span_may_be_overwritten_in_place()
    {
        var x = Numbers.Normal(100, 7);
        var expected = Of(VectorMath.Tanh, x);
        VectorMath.Tanh(x, x);
        AssertBits.Equal(expected, x, "tanh in place");
    }

    private static float[] Of(Function function, params float[] x)
    {
        var y = new float[x.Length];
        function(y, x);
        return y;
    }

    private static void Sweep(Function function, Func<float, float> reference, string name)
    {
        var x = new float[1 << 14];
        var y = new float[x.Length];
        var filled = 0;
        for (var bits = 0L; bits <= uint.MaxValue; bits += Stride)
        {
            x[filled++] = BitConverter.UInt32BitsToSingle((uint)bits);
            if (filled == x.Length || bits + Stride > uint.MaxValue)
            {
                function(y.AsSpan(0, filled), x.AsSpan(0, filled));
                for (var i = 0; i < filled; i++)
                {
                    var expected = reference(x[i]);
                    if (Numbers.Ulps(expected, y[i]) > Ulps)
                    {
                        throw new XunitException($"{name}({x[i]:R}) is {y[i]:R}, expected {expected:R}: {Numbers.Ulps(expected, y[i])} ulps.");
                    }
                }

                filled = 0;
            }
        }
    }
}
