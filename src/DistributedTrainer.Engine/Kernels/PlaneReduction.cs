using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Sums over a run of neighbouring numbers (a plane of an image, a row) in float64: 16 fixed lanes, element i in lane
/// i mod 16, combined halves onto halves. The bits do not depend on the vector width.
/// </summary>
internal static class PlaneReduction
{
    /// <summary>Σ x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Sum(ReadOnlySpan<float> x)
    {
        var (low, high) = (Vector512<double>.Zero, Vector512<double>.Zero);
        var i = 0;
        for (; i <= x.Length - VectorMap.Lanes; i += VectorMap.Lanes)
        {
            var (xLow, xHigh) = Vector512.Widen(Vector512.Create(x[i..]));
            low += xLow;
            high += xHigh;
        }

        if (i < x.Length)
        {
            var (xLow, xHigh) = Vector512.Widen(Tail(x[i..]));
            low += xLow;
            high += xHigh;
        }

        return Combine(low + high);
    }

    /// <summary>Σ (x − mean)².</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double SquaredDeviations(ReadOnlySpan<float> x, double mean)
    {
        var center = Vector512.Create(mean);
        var (low, high) = (Vector512<double>.Zero, Vector512<double>.Zero);
        var i = 0;
        for (; i <= x.Length - VectorMap.Lanes; i += VectorMap.Lanes)
        {
            var (xLow, xHigh) = Vector512.Widen(Vector512.Create(x[i..]));
            xLow -= center;
            xHigh -= center;
            low += xLow * xLow;
            high += xHigh * xHigh;
        }

        if (i < x.Length)
        {
            Span<double> tail = stackalloc double[VectorMap.Lanes];
            tail.Clear();
            for (var j = 0; j < x.Length - i; j++)
            {
                tail[j] = x[i + j] - mean;
            }

            var (xLow, xHigh) = (Vector512.Create<double>(tail), Vector512.Create<double>(tail[(VectorMap.Lanes / 2)..]));
            low += xLow * xLow;
            high += xHigh * xHigh;
        }

        return Combine(low + high);
    }

    /// <summary>Σ dy and Σ dy · xhat, xhat = (x − high − low) · scale in float32: as batch normalisation computes it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (double Dy, double DyXhat) NormalizedProducts(ReadOnlySpan<float> dy, ReadOnlySpan<float> x, float high, float low, float scale)
    {
        var (meanHigh, meanLow, factor) = (Vector512.Create(high), Vector512.Create(low), Vector512.Create(scale));
        var (dyLow, dyHigh) = (Vector512<double>.Zero, Vector512<double>.Zero);
        var (productLow, productHigh) = (Vector512<double>.Zero, Vector512<double>.Zero);
        for (var i = 0; i < dy.Length; i += VectorMap.Lanes)
        {
            var whole = i <= dy.Length - VectorMap.Lanes;
            var gradient = whole ? Vector512.Create(dy[i..]) : Tail(dy[i..]);
            var normal = ((whole ? Vector512.Create(x[i..]) : Tail(x[i..])) - meanHigh - meanLow) * factor;
            var (gLow, gHigh) = Vector512.Widen(gradient);
            var (nLow, nHigh) = Vector512.Widen(normal);
            dyLow += gLow;
            dyHigh += gHigh;
            productLow += gLow * nLow;
            productHigh += gHigh * nHigh;
        }

        return (Combine(dyLow + dyHigh), Combine(productLow + productHigh));
    }

    /// <summary>Up to 15 elements, and zeros behind them.</summary>
    public static Vector512<float> Tail(ReadOnlySpan<float> x)
    {
        Span<float> block = stackalloc float[VectorMap.Lanes];
        block.Clear();
        x.CopyTo(block);
        return Vector512.Create<float>(block);
    }

    private static double Combine(Vector512<double> lanes)
    {
        var four = lanes.GetLower() + lanes.GetUpper();
        var two = four.GetLower() + four.GetUpper();
        return two[0] + two[1];
    }
}
