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
        // The rest is read before the loop: a call behind it would send the loop's registers to memory in every turn.
        var whole = x.Length / VectorMap.Lanes * VectorMap.Lanes;
        var (restLow, restHigh) = Vector512.Widen(whole < x.Length ? VectorMap.Load(x, whole) : default);
        var (low, high) = (Vector512<double>.Zero, Vector512<double>.Zero);
        for (var i = 0; i < whole; i += VectorMap.Lanes)
        {
            var (xLow, xHigh) = Vector512.Widen(Vector512.Create(x[i..]));
            low += xLow;
            high += xHigh;
        }

        return Combine(low + restLow + (high + restHigh));
    }

    /// <summary>Σ (x − mean)².</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double SquaredDeviations(ReadOnlySpan<float> x, double mean)
    {
        var whole = x.Length / VectorMap.Lanes * VectorMap.Lanes;
        var (restLow, restHigh) = Vector512.Widen(whole < x.Length ? VectorMap.Load(x, whole) : default);
        var center = Vector512.Create(mean);
        var (low, high) = (Vector512<double>.Zero, Vector512<double>.Zero);
        for (var i = 0; i < whole; i += VectorMap.Lanes)
        {
            var (xLow, xHigh) = Vector512.Widen(Vector512.Create(x[i..]));
            xLow -= center;
            xHigh -= center;
            low += xLow * xLow;
            high += xHigh * xHigh;
        }

        // What lies behind the end deviates by nothing.
        var inside = Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(x.Length - whole));
        var (insideLow, insideHigh) = Vector512.Widen(inside);
        restLow = (restLow - center) & insideLow.AsDouble();
        restHigh = (restHigh - center) & insideHigh.AsDouble();
        return Combine(low + (restLow * restLow) + (high + (restHigh * restHigh)));
    }

    /// <summary>Σ dy and Σ dy · xhat.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (double Dy, double DyXhat) Products(ReadOnlySpan<float> dy, ReadOnlySpan<float> xhat)
    {
        var (dyLow, dyHigh) = (Vector512<double>.Zero, Vector512<double>.Zero);
        var (productLow, productHigh) = (Vector512<double>.Zero, Vector512<double>.Zero);
        for (var i = 0; i < dy.Length; i += VectorMap.Lanes)
        {
            var (gLow, gHigh) = Vector512.Widen(VectorMap.Load(dy, i));
            var (nLow, nHigh) = Vector512.Widen(VectorMap.Load(xhat, i));
            dyLow += gLow;
            dyHigh += gHigh;
            productLow += gLow * nLow;
            productHigh += gHigh * nHigh;
        }

        return (Combine(dyLow + dyHigh), Combine(productLow + productHigh));
    }

    /// <summary>The sum of eight lanes, halves onto halves.</summary>
    public static double Combine(Vector512<double> lanes)
    {
        var four = lanes.GetLower() + lanes.GetUpper();
        var two = four.GetLower() + four.GetUpper();
        return two[0] + two[1];
    }
}
