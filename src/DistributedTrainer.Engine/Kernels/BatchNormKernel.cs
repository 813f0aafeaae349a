using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Batch normalisation of B rows and C columns. Statistics run in float64, rows in order: a column whose mean is many
/// standard deviations from zero keeps its digits, and the bits do not depend on the vector width.
/// Source: Ioffe, Szegedy, "Batch normalization", 2015.
/// </summary>
public static class BatchNormKernel
{
    /// <summary>Means and sums of squared deviations of the columns of x(B,C); all zero without rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Moments(ReadOnlySpan<float> x, Span<double> mean, Span<double> m2)
    {
        var columns = mean.Length;
        mean.Clear();
        m2.Clear();
        if (x.Length == 0)
        {
            return;
        }

        VectorMap.CheckRows(x.Length, columns, "batch-norm");
        var rows = x.Length / columns;
        for (var row = 0; row < rows; row++)
        {
            var values = x.Slice(row * columns, columns);
            var c = 0;
            for (; c <= columns - 16; c += 16)
            {
                var (low, high) = Vector512.Widen(Vector512.Create(values[c..]));
                (Vector512.Create<double>(mean[c..]) + low).CopyTo(mean[c..]);
                (Vector512.Create<double>(mean[(c + 8)..]) + high).CopyTo(mean[(c + 8)..]);
            }

            for (; c < columns; c++)
            {
                mean[c] += values[c];
            }
        }

        for (var c = 0; c < columns; c++)
        {
            mean[c] /= rows;
        }

        for (var row = 0; row < rows; row++)
        {
            var values = x.Slice(row * columns, columns);
            var c = 0;
            for (; c <= columns - 16; c += 16)
            {
                var (low, high) = Vector512.Widen(Vector512.Create(values[c..]));
                low -= Vector512.Create<double>(mean[c..]);
                high -= Vector512.Create<double>(mean[(c + 8)..]);
                (Vector512.Create<double>(m2[c..]) + (low * low)).CopyTo(m2[c..]);
                (Vector512.Create<double>(m2[(c + 8)..]) + (high * high)).CopyTo(m2[(c + 8)..]);
            }

            for (; c < columns; c++)
            {
                var deviation = values[c] - mean[c];
                m2[c] += deviation * deviation;
            }
        }
    }

    /// <summary>xhat = (x − mean) · inverseStd; y = γ · xhat + β. The mean is taken off in two parts, which keeps its digits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Normalize(
        Span<float> xhat,
        Span<float> y,
        ReadOnlySpan<float> x,
        ReadOnlySpan<double> mean,
        ReadOnlySpan<float> inverseStd,
        ReadOnlySpan<float> gamma,
        ReadOnlySpan<float> beta)
    {
        var columns = mean.Length;
        Span<float> block = stackalloc float[8 * VectorMap.Lanes];
        for (var first = 0; first < columns; first += VectorMap.Lanes)
        {
            var count = Math.Min(VectorMap.Lanes, columns - first);
            block.Clear();
            for (var c = 0; c < count; c++)
            {
                block[c] = (float)mean[first + c];
                block[VectorMap.Lanes + c] = (float)(mean[first + c] - block[c]);
            }

            inverseStd.Slice(first, count).CopyTo(block[(2 * VectorMap.Lanes)..]);
            gamma.Slice(first, count).CopyTo(block[(3 * VectorMap.Lanes)..]);
            beta.Slice(first, count).CopyTo(block[(4 * VectorMap.Lanes)..]);
            var high = Vector512.Create<float>(block);
            var low = Vector512.Create<float>(block[VectorMap.Lanes..]);
            var scale = Vector512.Create<float>(block[(2 * VectorMap.Lanes)..]);
            var g = Vector512.Create<float>(block[(3 * VectorMap.Lanes)..]);
            var b = Vector512.Create<float>(block[(4 * VectorMap.Lanes)..]);
            var tail = block[(5 * VectorMap.Lanes)..(6 * VectorMap.Lanes)];
            for (var at = first; at < x.Length; at += columns)
            {
                if (count == VectorMap.Lanes)
                {
                    var normal = (Vector512.Create(x[at..]) - high - low) * scale;
                    normal.CopyTo(xhat[at..]);
                    Vector512.FusedMultiplyAdd(normal, g, b).CopyTo(y[at..]);
                }
                else
                {
                    x.Slice(at, count).CopyTo(tail);
                    var normal = (Vector512.Create<float>(tail) - high - low) * scale;
                    normal.CopyTo(tail);
                    tail[..count].CopyTo(xhat[at..]);
                    Vector512.FusedMultiplyAdd(normal, g, b).CopyTo(tail);
                    tail[..count].CopyTo(y[at..]);
                }
            }
        }
    }

    /// <summary>Σ dy and Σ dy · xhat of each column.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void BackwardSums(ReadOnlySpan<float> dy, ReadOnlySpan<float> xhat, Span<double> sumDy, Span<double> sumDyXhat)
    {
        var columns = sumDy.Length;
        sumDy.Clear();
        sumDyXhat.Clear();
        for (var start = 0; start < dy.Length; start += columns)
        {
            var c = 0;
            for (; c <= columns - 16; c += 16)
            {
                var (low, high) = Vector512.Widen(Vector512.Create(dy[(start + c)..]));
                var (xLow, xHigh) = Vector512.Widen(Vector512.Create(xhat[(start + c)..]));
                (Vector512.Create<double>(sumDy[c..]) + low).CopyTo(sumDy[c..]);
                (Vector512.Create<double>(sumDy[(c + 8)..]) + high).CopyTo(sumDy[(c + 8)..]);
                (Vector512.Create<double>(sumDyXhat[c..]) + (low * xLow)).CopyTo(sumDyXhat[c..]);
                (Vector512.Create<double>(sumDyXhat[(c + 8)..]) + (high * xHigh)).CopyTo(sumDyXhat[(c + 8)..]);
            }

            for (; c < columns; c++)
            {
                sumDy[c] += dy[start + c];
                sumDyXhat[c] += (double)dy[start + c] * xhat[start + c];
            }
        }
    }

    /// <summary>dx = γ · inverseStd · (dy − Σdy / n − xhat · Σ(dy·xhat) / n), n = rows behind the sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void BackwardInput(
        Span<float> dx,
        ReadOnlySpan<float> dy,
        ReadOnlySpan<float> xhat,
        ReadOnlySpan<float> gamma,
        ReadOnlySpan<float> inverseStd,
        ReadOnlySpan<double> sumDy,
        ReadOnlySpan<double> sumDyXhat,
        long count)
    {
        var columns = sumDy.Length;
        Span<float> block = stackalloc float[5 * VectorMap.Lanes];
        for (var first = 0; first < columns; first += VectorMap.Lanes)
        {
            var width = Math.Min(VectorMap.Lanes, columns - first);
            block.Clear();
            for (var c = 0; c < width; c++)
            {
                block[c] = (float)(sumDy[first + c] / count);
                block[VectorMap.Lanes + c] = (float)(-sumDyXhat[first + c] / count);
                block[(2 * VectorMap.Lanes) + c] = gamma[first + c] * inverseStd[first + c];
            }

            var meanDy = Vector512.Create<float>(block);
            var meanDyXhat = Vector512.Create<float>(block[VectorMap.Lanes..]);
            var scale = Vector512.Create<float>(block[(2 * VectorMap.Lanes)..]);
            var tail = block[(3 * VectorMap.Lanes)..];
            for (var at = first; at < dy.Length; at += columns)
            {
                if (width == VectorMap.Lanes)
                {
                    (Vector512.FusedMultiplyAdd(Vector512.Create(xhat[at..]), meanDyXhat, Vector512.Create(dy[at..]) - meanDy) * scale).CopyTo(dx[at..]);
                }
                else
                {
                    xhat.Slice(at, width).CopyTo(tail);
                    dy.Slice(at, width).CopyTo(tail[VectorMap.Lanes..]);
                    (Vector512.FusedMultiplyAdd(Vector512.Create<float>(tail), meanDyXhat, Vector512.Create<float>(tail[VectorMap.Lanes..]) - meanDy) * scale).CopyTo(tail);
                    tail[..width].CopyTo(dx[at..]);
                }
            }
        }
    }
}
