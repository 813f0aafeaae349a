using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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
        var i = 0;
        ref var first = ref MemoryMarshal.GetReference(x);
        for (; i <= x.Length - (2 * VectorMap.Lanes); i += 2 * VectorMap.Lanes)
        {
            even = Vector512.Max(even, Vector512.LoadUnsafe(ref first, (nuint)i).AsInt32() & mask);
            odd = Vector512.Max(odd, Vector512.LoadUnsafe(ref first, (nuint)(i + VectorMap.Lanes)).AsInt32() & mask);
        }

        for (; i < x.Length; i += VectorMap.Lanes)
        {
            even = Vector512.Max(even, VectorMap.Load(x, i).AsInt32() & mask);
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
