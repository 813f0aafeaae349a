using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>The largest elements of a vector by magnitude; of equal ones those that come first.</summary>
internal static class LargestElements
{
    // Without their sign the bits of float32 numbers are ordered as the numbers are, with NaN at the end.
    private const int WithoutSign = 0x7FFFFFFF;

    /// <summary>Leaves the largest elements in one vector, and all others in the other; 0 where an element is not.</summary>
    /// <param name="values">All elements; becomes the largest.</param>
    /// <param name="rest">Becomes the others.</param>
    /// <param name="count">How many are the largest, at most as many as there are.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Split(Span<float> values, Span<float> rest, int count)
    {
        VectorMap.CheckLengths(rest.Length, values.Length, "largest elements");
        var threshold = Threshold(values, count);

        // All above it, and as many of those at it as are missing.
        var missing = count - CountFrom(values, threshold + 1);
        for (var i = 0; i < values.Length; i++)
        {
            var size = BitConverter.SingleToInt32Bits(values[i]) & WithoutSign;
            var kept = size > threshold || (size == threshold && missing-- > 0);
            rest[i] = kept ? 0 : values[i];
            values[i] = kept ? values[i] : 0;
        }
    }

    // The largest magnitude, as bits, that so many elements reach: bit by bit from the top. A count over a block in the
    // nearest cache takes a tenth of a microsecond, so that sorting or selecting would not be faster.
    private static int Threshold(ReadOnlySpan<float> values, int count)
    {
        var threshold = 0;
        for (var bit = 30; bit >= 0; bit--)
        {
            var higher = threshold | (1 << bit);
            threshold = CountFrom(values, higher) >= count ? higher : threshold;
        }

        return threshold;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int CountFrom(ReadOnlySpan<float> values, int least)
    {
        // At 2^31 − 1 one more is 2^31: nothing is as large.
        if (least < 0)
        {
            return 0;
        }

        var (mask, below, counts) = (Vector512.Create(WithoutSign), Vector512.Create(least - 1), Vector512<int>.Zero);
        var i = 0;
        for (; i <= values.Length - VectorMap.Lanes; i += VectorMap.Lanes)
        {
            counts -= Vector512.GreaterThan(Vector512.Create(values[i..]).AsInt32() & mask, below);
        }

        var count = Vector512.Sum(counts);
        for (; i < values.Length; i++)
        {
            count += (BitConverter.SingleToInt32Bits(values[i]) & WithoutSign) >= least ? 1 : 0;
        }

        return count;
    }
}
