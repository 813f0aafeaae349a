using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Batch normalisation of images (B,C,P), P = height · width positions, channel by channel. A plane's moments are taken in
/// two passes while it is in the cache, then combined row by row as Chan et al. do (see <see cref="Moments"/>); x̂ is not
/// kept but computed again from x, with the same rounding.
/// Source: Ioffe, Szegedy, "Batch normalization", 2015.
/// </summary>
public static class ImageNormKernel
{
    /// <summary>Means and sums of squared deviations of the channels of x(B,C,P), over rows and positions.</summary>
    public static void Moments(ReadOnlySpan<float> x, int positions, Span<double> mean, Span<double> m2)
    {
        mean.Clear();
        m2.Clear();
        var channels = mean.Length;
        for (var plane = 0; plane * positions < x.Length; plane++)
        {
            var values = x.Slice(plane * positions, positions);
            var planeMean = PlaneReduction.Sum(values) / positions;
            var planeM2 = PlaneReduction.SquaredDeviations(values, planeMean);
            var (row, c) = (plane / channels, plane % channels);
            Reduction.Moments.Combine(
                (long)row * positions, mean.Slice(c, 1), m2.Slice(c, 1), positions, new ReadOnlySpan<double>(in planeMean), new ReadOnlySpan<double>(in planeM2));
        }
    }

    /// <summary>y = γ · x̂ + β, x̂ = (x − mean) · inverseStd. The mean is taken off in two parts, which keeps its digits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Normalize(
        Span<float> y,
        ReadOnlySpan<float> x,
        int positions,
        ReadOnlySpan<double> mean,
        ReadOnlySpan<float> inverseStd,
        ReadOnlySpan<float> gamma,
        ReadOnlySpan<float> beta)
    {
        VectorMap.CheckLengths(y.Length, x.Length, "batch-norm");
        for (var (first, c) = (0, 0); first < x.Length; first += positions, c = c + 1 == mean.Length ? 0 : c + 1)
        {
            var (high, low) = Split(mean[c]);
            var (meanHigh, meanLow, scale) = (Vector512.Create(high), Vector512.Create(low), Vector512.Create(inverseStd[c]));
            var (g, b) = (Vector512.Create(gamma[c]), Vector512.Create(beta[c]));
            var from = x.Slice(first, positions);
            var to = y.Slice(first, positions);
            var i = 0;
            for (; i <= positions - VectorMap.Lanes; i += VectorMap.Lanes)
            {
                Vector512.FusedMultiplyAdd((Vector512.Create(from[i..]) - meanHigh - meanLow) * scale, g, b).CopyTo(to[i..]);
            }

            if (i < positions)
            {
                StoreTail(Vector512.FusedMultiplyAdd((PlaneReduction.Tail(from[i..]) - meanHigh - meanLow) * scale, g, b), to[i..]);
            }
        }
    }

    /// <summary>Σ dy and Σ dy · x̂ of each channel, over rows and positions.</summary>
    public static void BackwardSums(
        ReadOnlySpan<float> dy,
        ReadOnlySpan<float> x,
        int positions,
        ReadOnlySpan<double> mean,
        ReadOnlySpan<float> inverseStd,
        Span<double> sumDy,
        Span<double> sumDyXhat)
    {
        VectorMap.CheckLengths(dy.Length, x.Length, "batch-norm");
        sumDy.Clear();
        sumDyXhat.Clear();
        for (var (first, c) = (0, 0); first < x.Length; first += positions, c = c + 1 == mean.Length ? 0 : c + 1)
        {
            var (high, low) = Split(mean[c]);
            var (plain, product) = PlaneReduction.NormalizedProducts(dy.Slice(first, positions), x.Slice(first, positions), high, low, inverseStd[c]);
            sumDy[c] += plain;
            sumDyXhat[c] += product;
        }
    }

    /// <summary>dx = γ · inverseStd · (dy − Σdy / n − x̂ · Σ(dy·x̂) / n), n = numbers of a channel behind the sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void BackwardInput(
        Span<float> dx,
        ReadOnlySpan<float> dy,
        ReadOnlySpan<float> x,
        int positions,
        ReadOnlySpan<double> mean,
        ReadOnlySpan<float> inverseStd,
        ReadOnlySpan<float> gamma,
        ReadOnlySpan<double> sumDy,
        ReadOnlySpan<double> sumDyXhat,
        long count)
    {
        VectorMap.CheckLengths(dx.Length, x.Length, "batch-norm");
        VectorMap.CheckLengths(dy.Length, x.Length, "batch-norm");
        for (var (first, c) = (0, 0); first < x.Length; first += positions, c = c + 1 == mean.Length ? 0 : c + 1)
        {
            var (high, low) = Split(mean[c]);
            var (meanHigh, meanLow, inverse) = (Vector512.Create(high), Vector512.Create(low), Vector512.Create(inverseStd[c]));
            var meanDy = Vector512.Create((float)(sumDy[c] / count));
            var meanDyXhat = Vector512.Create((float)(-sumDyXhat[c] / count));
            var scale = Vector512.Create(gamma[c] * inverseStd[c]);
            var gradient = dy.Slice(first, positions);
            var from = x.Slice(first, positions);
            var to = dx.Slice(first, positions);
            var i = 0;
            for (; i <= positions - VectorMap.Lanes; i += VectorMap.Lanes)
            {
                var normal = (Vector512.Create(from[i..]) - meanHigh - meanLow) * inverse;
                (Vector512.FusedMultiplyAdd(normal, meanDyXhat, Vector512.Create(gradient[i..]) - meanDy) * scale).CopyTo(to[i..]);
            }

            if (i < positions)
            {
                var normal = (PlaneReduction.Tail(from[i..]) - meanHigh - meanLow) * inverse;
                StoreTail(Vector512.FusedMultiplyAdd(normal, meanDyXhat, PlaneReduction.Tail(gradient[i..]) - meanDy) * scale, to[i..]);
            }
        }
    }

    internal static (float High, float Low) Split(double mean)
    {
        var high = (float)mean;
        return (high, (float)(mean - high));
    }

    internal static void StoreTail(Vector512<float> lanes, Span<float> to)
    {
        Span<float> block = stackalloc float[VectorMap.Lanes];
        lanes.CopyTo(block);
        block[..to.Length].CopyTo(to);
    }
}
