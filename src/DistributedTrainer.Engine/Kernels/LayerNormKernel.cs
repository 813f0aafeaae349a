using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Layer normalisation of B rows and D columns, each row by its own mean and variance. Statistics run in float64 and 16
/// fixed lanes. Source: Ba, Kiros, Hinton, "Layer normalization", 2016.
/// </summary>
public static class LayerNormKernel
{
    /// <summary>x̂ = (x − mean) / √(variance + ε), y = γ · x̂ + β, row by row.</summary>
    /// <param name="xhat">Normalised rows (B,D), overwritten.</param>
    /// <param name="inverseStd">1 / √(variance + ε) of each row (B), overwritten.</param>
    /// <param name="y">Outputs (B,D), overwritten.</param>
    /// <param name="x">Inputs (B,D).</param>
    /// <param name="gamma">γ (D).</param>
    /// <param name="beta">β (D).</param>
    /// <param name="epsilon">ε.</param>
    public static void Forward(
        Span<float> xhat, Span<float> inverseStd, Span<float> y, ReadOnlySpan<float> x, ReadOnlySpan<float> gamma, ReadOnlySpan<float> beta, float epsilon)
    {
        var columns = gamma.Length;
        VectorMap.CheckLengths(inverseStd.Length * columns, x.Length, "layer-norm");
        for (var row = 0; row < inverseStd.Length; row++)
        {
            var values = x.Slice(row * columns, columns);
            var mean = PlaneReduction.Sum(values) / columns;
            inverseStd[row] = (float)(1 / Math.Sqrt((PlaneReduction.SquaredDeviations(values, mean) / columns) + epsilon));
            Normalize(xhat.Slice(row * columns, columns), y.Slice(row * columns, columns), values, mean, inverseStd[row], gamma, beta);
        }
    }

    /// <summary>With g = dy · γ: dx = inverseStd · (g − mean of g − x̂ · mean of g · x̂), means over the row.</summary>
    /// <param name="dx">Gradient by the inputs (B,D), overwritten.</param>
    /// <param name="dy">Upstream gradient (B,D).</param>
    /// <param name="xhat">Normalised rows (B,D).</param>
    /// <param name="inverseStd">Of each row (B).</param>
    /// <param name="gamma">γ (D).</param>
    public static void BackwardInput(Span<float> dx, ReadOnlySpan<float> dy, ReadOnlySpan<float> xhat, ReadOnlySpan<float> inverseStd, ReadOnlySpan<float> gamma)
    {
        var columns = gamma.Length;
        VectorMap.CheckLengths(inverseStd.Length * columns, dx.Length, "layer-norm");
        for (var row = 0; row < inverseStd.Length; row++)
        {
            var g = dx.Slice(row * columns, columns);
            var normal = xhat.Slice(row * columns, columns);
            ElementWise.Multiply(g, dy.Slice(row * columns, columns), gamma);
            var (sum, product) = PlaneReduction.NormalizedProducts(g, normal, high: 0, low: 0, scale: 1);
            Center(g, normal, (float)(sum / columns), (float)(-product / columns), inverseStd[row]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Normalize(
        Span<float> xhat, Span<float> y, ReadOnlySpan<float> x, double mean, float inverseStd, ReadOnlySpan<float> gamma, ReadOnlySpan<float> beta)
    {
        var (high, low) = ImageNormKernel.Split(mean);
        var (meanHigh, meanLow, scale) = (Vector512.Create(high), Vector512.Create(low), Vector512.Create(inverseStd));
        var i = 0;
        for (; i <= x.Length - VectorMap.Lanes; i += VectorMap.Lanes)
        {
            var normal = (Vector512.Create(x[i..]) - meanHigh - meanLow) * scale;
            normal.CopyTo(xhat[i..]);
            Vector512.FusedMultiplyAdd(normal, Vector512.Create(gamma[i..]), Vector512.Create(beta[i..])).CopyTo(y[i..]);
        }

        if (i < x.Length)
        {
            var normal = (PlaneReduction.Tail(x[i..]) - meanHigh - meanLow) * scale;
            ImageNormKernel.StoreTail(normal, xhat[i..]);
            ImageNormKernel.StoreTail(Vector512.FusedMultiplyAdd(normal, PlaneReduction.Tail(gamma[i..]), PlaneReduction.Tail(beta[i..])), y[i..]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Center(Span<float> g, ReadOnlySpan<float> xhat, float mean, float minusProduct, float inverseStd)
    {
        var (meanG, meanProduct, scale) = (Vector512.Create(mean), Vector512.Create(minusProduct), Vector512.Create(inverseStd));
        var i = 0;
        for (; i <= g.Length - VectorMap.Lanes; i += VectorMap.Lanes)
        {
            (Vector512.FusedMultiplyAdd(Vector512.Create(xhat[i..]), meanProduct, Vector512.Create<float>(g[i..]) - meanG) * scale).CopyTo(g[i..]);
        }

        if (i < g.Length)
        {
            ImageNormKernel.StoreTail(
                Vector512.FusedMultiplyAdd(PlaneReduction.Tail(xhat[i..]), meanProduct, PlaneReduction.Tail(g[i..]) - meanG) * scale, g[i..]);
        }
    }
}
