using Xunit.Sdk;

namespace DistributedTrainer.Engine.Tests.Support;

/// <summary>Comparison bit by bit, so that −0 is not 0. A NaN is equal to any other: its payload is not part of the promise.</summary>
internal static class AssertBits
{
    public static void Equal(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]) && !(float.IsNaN(expected[i]) && float.IsNaN(actual[i])))
            {
                throw new XunitException($"{what}: element {i} of {expected.Length} is {actual[i]:R}, expected {expected[i]:R}.");
            }
        }
    }

    public static void Equal(ReadOnlySpan<double> expected, ReadOnlySpan<double> actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            if (BitConverter.DoubleToInt64Bits(expected[i]) != BitConverter.DoubleToInt64Bits(actual[i]) && !(double.IsNaN(expected[i]) && double.IsNaN(actual[i])))
            {
                throw new XunitException($"{what}: element {i} of {expected.Length} is {actual[i]:R}, expected {expected[i]:R}.");
            }
        }
    }

    /// <summary>|actual − expected| at most relative · |expected| or absolute, whichever is more, element by element; NaN where NaN is expected.</summary>
    public static void Near(ReadOnlySpan<double> expected, ReadOnlySpan<float> actual, double relative, double absolute, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            var fits = expected[i].Equals(actual[i]) || Math.Abs(actual[i] - expected[i]) <= Math.Max(relative * Math.Abs(expected[i]), absolute);
            if (!fits)
            {
                throw new XunitException($"{what}: element {i} of {expected.Length} is {actual[i]:R}, expected {expected[i]:R} to {relative} relative and {absolute} absolute.");
            }
        }
    }
}
