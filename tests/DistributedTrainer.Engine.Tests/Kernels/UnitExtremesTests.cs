using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Kernels;

/// <summary>Extremes of units against one number at a time, bit for bit, at every number of units and of places.</summary>
public sealed class UnitExtremesTests
{
    private const float Flat = 0.01f;

    [Fact]
    public void Relu_at_every_length() => Check(default(Relu));

    [Fact]
    public void Tanh_at_every_length() => Check(default(Tanh));

    [Fact]
    public void Gelu_which_needs_its_input_at_every_length() => Check(default(Gelu));

    [Fact]
    public void Rows_that_are_no_whole_rows_are_refused() =>
        Assert.Throws<ArgumentException>(static () => UnitExtremes.Add(default(Relu), new float[7], new float[7], 1, new float[3], new float[3], Flat));

    private static void Check<TActivation>(TActivation function)
        where TActivation : struct, IActivation
    {
        foreach (var length in Numbers.Lengths.Where(static length => length > 0))
        {
            Check(function, length, 1);
            Check(function, 3, length);
        }
    }

    private static void Check<TActivation>(TActivation function, int units, int places)
        where TActivation : struct, IActivation
    {
        // One unit is far below 0, two see special numbers, NaN among them.
        var (values, slopes, expectedValues, expectedSlopes) = (new float[units], new float[units], new float[units], new float[units]);
        foreach (var seed in (int[])[1, 2])
        {
            var x = Numbers.Normal(3 * units * places, seed, deviation: 3);
            var special = Numbers.WithSpecial(x.Length, seed);
            for (var i = 0; i < x.Length; i++)
            {
                x[i] = (i / places % units) switch { 0 => -100, 1 or 2 => special[i], _ => x[i] };
            }

            var (y, derivative, ones, below) = (new float[x.Length], new float[x.Length], new float[x.Length], 0L);
            Array.Fill(ones, 1);
            ActivationKernel.Forward(function, y, x);
            ActivationKernel.Backward(function, derivative, ones, x, y);
            for (var i = 0; i < x.Length; i++)
            {
                var unit = i / places % units;
                expectedValues[unit] = MathF.Max(expectedValues[unit], MathF.Abs(y[i]));
                expectedSlopes[unit] = MathF.Max(expectedSlopes[unit], MathF.Abs(derivative[i]));
                below += MathF.Abs(derivative[i]) < Flat ? 1 : 0;
            }

            Assert.Equal(below, UnitExtremes.Add(function, x, y, places, values, slopes, Flat));
            AssertBits.Equal(expectedValues, values, $"{typeof(TActivation).Name}, largest value, {units} units of {places}");
            AssertBits.Equal(expectedSlopes, slopes, $"{typeof(TActivation).Name}, largest slope, {units} units of {places}");
        }
    }
}
