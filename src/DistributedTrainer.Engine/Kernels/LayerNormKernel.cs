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
            var (sum, product) = PlaneReduction.Products(g, normal);
            Center(g, normal, (float)(sum / columns), (float)(-product / columns), inverseStd[row]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Normalize(
        Span<float> xhat, Span<float> y, ReadOnlySpan<float> x, double mean, float inverseStd, ReadOnlySpan<float> gamma, ReadOnlySpan<float> beta)
    {
        // The mean is taken off in two parts, which keeps its digits.
        var (high, low) = (Vector512.Create((float)mean), Vector512.Create((float)(mean - (float)mean)));
        var scale = Vector512.Create(inverseStd);
        for (var i = 0; i < x.Length; i += VectorMap.Lanes)
        {
            var normal = (VectorMap.Load(x, i) - high - low) * scale;
            VectorMap.Store(normal, xhat, i);
            VectorMap.Store(Vector512.FusedMultiplyAdd(normal, VectorMap.Load(gamma, i), VectorMap.Load(beta, i)), y, i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Center(Span<float> g, ReadOnlySpan<float> xhat, float mean, float minusProduct, float inverseStd)
    {
        var (meanG, meanProduct, scale) = (Vector512.Create(mean), Vector512.Create(minusProduct), Vector512.Create(inverseStd));
        for (var i = 0; i < g.Length; i += VectorMap.Lanes)
        {
            VectorMap.Store(Vector512.FusedMultiplyAdd(VectorMap.Load(xhat, i), meanProduct, VectorMap.Load(g, i) - meanG) * scale, g, i);
        }
    }
}
