using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>The largest |x|. A maximum depends on no order; infinity is above all numbers, and NaN above infinity.</summary>
internal static class Magnitude
{
    // Without their sign the bits of float32 numbers are ordered as the numbers are, with NaN at the end.
    private const int WithoutSign = 0x7FFFFFFF;

    /// <summary>max |x|; 0 of nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Largest(ReadOnlySpan<float> x)
    {
        var mask = Vector512.Create(WithoutSign);
        var (even, odd) = (Vector512<int>.Zero, Vector512<int>.Zero);
        for (var i = 0; i < x.Length; i += 2 * VectorMap.Lanes)
        {
            even = Vector512.Max(even, VectorMap.Load(x, i).AsInt32() & mask);
            if (i + VectorMap.Lanes < x.Length)
            {
                odd = Vector512.Max(odd, VectorMap.Load(x, i + VectorMap.Lanes).AsInt32() & mask);
            }
        }

        even = Vector512.Max(even, odd);
        var largest = 0;
        for (var lane = 0; lane < VectorMap.Lanes; lane++)
        {
            largest = Math.Max(largest, even[lane]);
        }

        return BitConverter.Int32BitsToSingle(largest);
    }
}
