using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>Σ x² in float64: squares of float32 numbers are exact there, and nothing overflows.</summary>
internal static class SquareSum
{
    /// <summary>Element i goes to lane i mod 16; the lanes are added halves onto halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Of(ReadOnlySpan<float> x)
    {
        var (low, high) = (Vector512<double>.Zero, Vector512<double>.Zero);
        for (var i = 0; i < x.Length; i += VectorMap.Lanes)
        {
            var (first, second) = Vector512.Widen(VectorMap.Load(x, i));
            low += first * first;
            high += second * second;
        }

        Span<double> sums = stackalloc double[VectorMap.Lanes / 2];
        (low + high).CopyTo(sums);
        for (var half = sums.Length / 2; half > 0; half /= 2)
        {
            for (var i = 0; i < half; i++)
            {
                sums[i] += sums[i + half];
            }
        }

        return sums[0];
    }
}
