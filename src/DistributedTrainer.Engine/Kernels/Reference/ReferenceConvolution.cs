namespace DistributedTrainer.Engine.Kernels.Reference;

/// <summary>
/// The convolution as nested loops: what <see cref="Convolution"/> must give, bit for bit. Every element is one chain of
/// fused multiply-adds in the order of the loops; zeros of the border take part in it.
/// x(B,C,H,W), w(O,C,S,S), b(O), y(B,O,OH,OW)
/// </summary>
public static class ReferenceConvolution
{
    /// <summary>y = w ∗ x + b; an empty b is none.</summary>
    public static void Forward(in ConvolutionShape shape, ReadOnlySpan<float> x, ReadOnlySpan<float> w, ReadOnlySpan<float> b, Span<float> y)
    {
        var (size, at) = (shape.Kernel, 0);
        for (var n = 0; n < y.Length / shape.OutputElements; n++)
        {
            for (var o = 0; o < shape.Outputs; o++)
            {
                for (var oy = 0; oy < shape.OutputHeight; oy++)
                {
                    for (var ox = 0; ox < shape.OutputWidth; ox++)
                    {
                        var sum = 0f;
                        for (var c = 0; c < shape.Channels; c++)
                        {
                            for (var ky = 0; ky < size; ky++)
                            {
                                for (var kx = 0; kx < size; kx++)
                                {
                                    sum = MathF.FusedMultiplyAdd(w[Weight(shape, o, c, ky, kx)], Input(shape, x, n, c, oy, ox, ky, kx), sum);
                                }
                            }
                        }

                        y[at++] = b.IsEmpty ? sum : sum + b[o];
                    }
                }
            }
        }
    }

    /// <summary>dx: each input collects dy · w over the outputs that read it, over o, ky, kx in order.</summary>
    public static void BackwardInput(in ConvolutionShape shape, ReadOnlySpan<float> dy, ReadOnlySpan<float> w, Span<float> dx)
    {
        var at = 0;
        for (var n = 0; n < dx.Length / shape.InputElements; n++)
        {
            for (var c = 0; c < shape.Channels; c++)
            {
                for (var iy = 0; iy < shape.Height; iy++)
                {
                    for (var ix = 0; ix < shape.Width; ix++)
                    {
                        dx[at++] = InputGradient(shape, dy, w, n, c, iy, ix);
                    }
                }
            }
        }
    }

    /// <summary>dw and db, summed over images and positions in order; an empty db is none.</summary>
    public static void BackwardWeights(in ConvolutionShape shape, ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> dw, Span<float> db)
    {
        dw.Clear();
        db.Clear();
        var (size, at) = (shape.Kernel, 0);
        for (var n = 0; n < dy.Length / shape.OutputElements; n++)
        {
            for (var o = 0; o < shape.Outputs; o++)
            {
                for (var oy = 0; oy < shape.OutputHeight; oy++)
                {
                    for (var ox = 0; ox < shape.OutputWidth; ox++)
                    {
                        var gradient = dy[at++];
                        if (!db.IsEmpty)
                        {
                            db[o] += gradient;
                        }

                        for (var c = 0; c < shape.Channels; c++)
                        {
                            for (var tap = 0; tap < size * size; tap++)
                            {
                                ref var weight = ref dw[Weight(shape, o, c, tap / size, tap % size)];
                                weight = MathF.FusedMultiplyAdd(gradient, Input(shape, x, n, c, oy, ox, tap / size, tap % size), weight);
                            }
                        }
                    }
                }
            }
        }
    }

    private static float InputGradient(in ConvolutionShape shape, ReadOnlySpan<float> dy, ReadOnlySpan<float> w, int n, int c, int iy, int ix)
    {
        var sum = 0f;
        for (var o = 0; o < shape.Outputs; o++)
        {
            for (var ky = 0; ky < shape.Kernel; ky++)
            {
                for (var kx = 0; kx < shape.Kernel; kx++)
                {
                    var (top, left) = (iy + shape.Padding - ky, ix + shape.Padding - kx);
                    if (top % shape.Stride != 0 || left % shape.Stride != 0)
                    {
                        continue;
                    }

                    var (oy, ox) = (top / shape.Stride, left / shape.Stride);
                    var inside = top >= 0 && left >= 0 && oy < shape.OutputHeight && ox < shape.OutputWidth;
                    var gradient = inside ? dy[(((((n * shape.Outputs) + o) * shape.OutputHeight) + oy) * shape.OutputWidth) + ox] : 0;
                    sum = MathF.FusedMultiplyAdd(w[Weight(shape, o, c, ky, kx)], gradient, sum);
                }
            }
        }

        return sum;
    }

    private static float Input(in ConvolutionShape shape, ReadOnlySpan<float> x, int n, int c, int oy, int ox, int ky, int kx)
    {
        var (iy, ix) = ((oy * shape.Stride) + ky - shape.Padding, (ox * shape.Stride) + kx - shape.Padding);
        return iy >= 0 && iy < shape.Height && ix >= 0 && ix < shape.Width
            ? x[(((((n * shape.Channels) + c) * shape.Height) + iy) * shape.Width) + ix]
            : 0;
    }

    private static int Weight(in ConvolutionShape shape, int o, int c, int ky, int kx) =>
        (((((o * shape.Channels) + c) * shape.Kernel) + ky) * shape.Kernel) + kx;
}
