namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Batch normalisation, an activation and max-pooling of images in one pass, plane by plane: what lies between them stays
/// in the nearest cache and is never written to memory. The same bits as one after the other.
/// </summary>
internal static unsafe class NormPoolKernel
{
    [ThreadStatic]
    private static float[]? _plane;

    /// <summary>y = the largest of f(γ · x̂ + β) in each window, and where it lies in its plane.</summary>
    /// <param name="function">f.</param>
    /// <param name="shape">The windows.</param>
    /// <param name="x">Planes (B,C,H,W).</param>
    /// <param name="norms">The channels.</param>
    /// <param name="activated">Where f(γ · x̂ + β) is wanted too (B,C,H,W); or empty.</param>
    /// <param name="y">Results (B,C,OH,OW), overwritten.</param>
    /// <param name="places">Places within the planes (B,C,OH,OW), overwritten.</param>
    public static void Forward<TActivation>(
        TActivation function, PoolingShape shape, ReadOnlySpan<float> x, ChannelNorms norms, Span<float> activated, Span<float> y, Span<int> places)
        where TActivation : struct, IActivation
    {
        PoolingKernel.Check(shape, x.Length, y.Length, places.Length);
        VectorMap.CheckLengths(activated.IsEmpty ? x.Length : activated.Length, x.Length, "batch-norm");
        var (positions, windows) = (shape.Height * shape.Width, shape.OutputHeight * shape.OutputWidth);
        var room = Scratch.Room(ref _plane, positions + PoolingKernel.Slack);
        fixed (float* from = x, to = y, plane = room)
        {
            fixed (int* winners = places)
            {
                for (var (first, at, c) = (0, 0, 0); first < x.Length; first += positions, at += windows, c = norms.Next(c))
                {
                    norms[c].Forward(function, from + first, plane, positions);
                    PoolingKernel.MaxPlane(shape, plane, positions + PoolingKernel.Slack, to + at, winners + at, y.Length - at);
                    if (!activated.IsEmpty)
                    {
                        new ReadOnlySpan<float>(plane, positions).CopyTo(activated[first..]);
                    }
                }
            }
        }
    }

    /// <summary>Σ dz and Σ dz · x̂ of each channel, with dz through the pooling and f.</summary>
    public static void BackwardSums<TActivation>(
        TActivation function,
        PoolingShape shape,
        ReadOnlySpan<float> dy,
        ReadOnlySpan<int> places,
        ReadOnlySpan<float> x,
        ChannelNorms norms,
        Span<double> sumDz,
        Span<double> sumDzXhat)
        where TActivation : struct, IActivation
    {
        PoolingKernel.Check(shape, x.Length, dy.Length, places.Length);
        sumDz.Clear();
        sumDzXhat.Clear();
        var (positions, windows) = (shape.Height * shape.Width, shape.OutputHeight * shape.OutputWidth);
        var room = Scratch.Room(ref _plane, positions + PoolingKernel.Slack);
        fixed (float* values = x, gradient = dy, plane = room)
        {
            fixed (int* winners = places)
            {
                for (var (first, at, c) = (0, 0, 0); first < x.Length; first += positions, at += windows, c = norms.Next(c))
                {
                    PoolingKernel.MaxBackwardPlane(shape, gradient + at, winners + at, dy.Length - at, plane, positions + PoolingKernel.Slack);
                    var (plain, product) = norms[c].BackwardSums(function, plane, values + first, positions);
                    sumDz[c] += plain;
                    sumDzXhat[c] += product;
                }
            }
        }
    }

    /// <summary>dx, with dz through the pooling and f.</summary>
    public static void BackwardInput<TActivation>(
        TActivation function,
        PoolingShape shape,
        Span<float> dx,
        ReadOnlySpan<float> dy,
        ReadOnlySpan<int> places,
        ReadOnlySpan<float> x,
        ChannelNorms norms,
        ReadOnlySpan<double> sumDz,
        ReadOnlySpan<double> sumDzXhat,
        long count)
        where TActivation : struct, IActivation
    {
        PoolingKernel.Check(shape, x.Length, dy.Length, places.Length);
        VectorMap.CheckLengths(dx.Length, x.Length, "batch-norm");
        var (positions, windows) = (shape.Height * shape.Width, shape.OutputHeight * shape.OutputWidth);
        var room = Scratch.Room(ref _plane, positions + PoolingKernel.Slack);
        fixed (float* values = x, gradient = dy, to = dx, plane = room)
        {
            fixed (int* winners = places)
            {
                for (var (first, at, c) = (0, 0, 0); first < x.Length; first += positions, at += windows, c = norms.Next(c))
                {
                    PoolingKernel.MaxBackwardPlane(shape, gradient + at, winners + at, dy.Length - at, plane, positions + PoolingKernel.Slack);
                    norms[c].BackwardInput(function, to + first, plane, values + first, positions, sumDz[c], sumDzXhat[c], count);
                }
            }
        }
    }
}
