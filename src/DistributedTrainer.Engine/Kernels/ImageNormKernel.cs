namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Batch normalisation of images (B,C,P), P = height · width positions, channel by channel. A plane's moments are taken in
/// two passes while it is in the cache, then combined row by row as Chan et al. do (see <see cref="Moments"/>); x̂ is not
/// kept but computed again from x, with the same rounding. An activation behind it is part of the same passes.
/// Source: Ioffe, Szegedy, "Batch normalization", 2015.
/// </summary>
public static unsafe class ImageNormKernel
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

    /// <summary>y = γ · x̂ + β, x̂ = (x − mean) · inverseStd.</summary>
    public static void Normalize(
        Span<float> y,
        ReadOnlySpan<float> x,
        int positions,
        ReadOnlySpan<double> mean,
        ReadOnlySpan<float> inverseStd,
        ReadOnlySpan<float> gamma,
        ReadOnlySpan<float> beta) => Normalize(default(Identity), y, x, positions, new ChannelNorms(mean, inverseStd, gamma, beta));

    /// <summary>Σ dy and Σ dy · x̂ of each channel, over rows and positions.</summary>
    public static void BackwardSums(
        ReadOnlySpan<float> dy,
        ReadOnlySpan<float> x,
        int positions,
        ReadOnlySpan<double> mean,
        ReadOnlySpan<float> inverseStd,
        Span<double> sumDy,
        Span<double> sumDyXhat) =>
        BackwardSums(default(Identity), dy, x, positions, new ChannelNorms(mean, inverseStd, inverseStd, inverseStd), sumDy, sumDyXhat);

    /// <summary>dx = γ · inverseStd · (dy − Σdy / n − x̂ · Σ(dy·x̂) / n), n = numbers of a channel behind the sums.</summary>
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
        long count) =>
        BackwardInput(default(Identity), dx, dy, x, positions, new ChannelNorms(mean, inverseStd, gamma, gamma), sumDy, sumDyXhat, count);

    /// <summary>y = f(γ · x̂ + β).</summary>
    internal static void Normalize<TActivation>(TActivation function, Span<float> y, ReadOnlySpan<float> x, int positions, ChannelNorms norms)
        where TActivation : struct, IActivation
    {
        VectorMap.CheckLengths(y.Length, x.Length, "batch-norm");
        fixed (float* from = x, to = y)
        {
            for (var (first, c) = (0, 0); first < x.Length; first += positions, c = norms.Next(c))
            {
                norms[c].Forward(function, from + first, to + first, positions);
            }
        }
    }

    /// <summary>Σ dz and Σ dz · x̂ of each channel, dz = dy · f'(z).</summary>
    internal static void BackwardSums<TActivation>(
        TActivation function, ReadOnlySpan<float> dy, ReadOnlySpan<float> x, int positions, ChannelNorms norms, Span<double> sumDz, Span<double> sumDzXhat)
        where TActivation : struct, IActivation
    {
        VectorMap.CheckLengths(dy.Length, x.Length, "batch-norm");
        sumDz.Clear();
        sumDzXhat.Clear();
        fixed (float* values = x, gradient = dy)
        {
            for (var (first, c) = (0, 0); first < x.Length; first += positions, c = norms.Next(c))
            {
                var (plain, product) = norms[c].BackwardSums(function, gradient + first, values + first, positions);
                sumDz[c] += plain;
                sumDzXhat[c] += product;
            }
        }
    }

    /// <summary>dx = γ · inverseStd · (dz − Σdz / n − x̂ · Σ(dz · x̂) / n), dz = dy · f'(z).</summary>
    internal static void BackwardInput<TActivation>(
        TActivation function,
        Span<float> dx,
        ReadOnlySpan<float> dy,
        ReadOnlySpan<float> x,
        int positions,
        ChannelNorms norms,
        ReadOnlySpan<double> sumDz,
        ReadOnlySpan<double> sumDzXhat,
        long count)
        where TActivation : struct, IActivation
    {
        VectorMap.CheckLengths(dx.Length, x.Length, "batch-norm");
        VectorMap.CheckLengths(dy.Length, x.Length, "batch-norm");
        fixed (float* values = x, gradient = dy, to = dx)
        {
            for (var (first, c) = (0, 0); first < x.Length; first += positions, c = norms.Next(c))
            {
                norms[c].BackwardInput(function, to + first, gradient + first, values + first, positions, sumDz[c], sumDzXhat[c], count);
            }
        }
    }
}
