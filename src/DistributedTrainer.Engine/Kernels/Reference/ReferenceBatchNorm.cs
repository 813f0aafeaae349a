namespace DistributedTrainer.Engine.Kernels.Reference;

/// <summary>Batch normalisation of B rows and C columns, one number at a time: what <see cref="BatchNormKernel"/> must give, bit for bit.</summary>
internal static class ReferenceBatchNorm
{
    /// <summary>Means and sums of squared deviations of the columns of x(B,C): two passes in float64, rows in order.</summary>
    public static void Moments(ReadOnlySpan<float> x, Span<double> mean, Span<double> m2)
    {
        var columns = mean.Length;
        for (var c = 0; c < columns; c++)
        {
            var sum = 0.0;
            for (var at = c; at < x.Length; at += columns)
            {
                sum += x[at];
            }

            mean[c] = x.Length == 0 ? 0 : sum / (x.Length / columns);
            var squares = 0.0;
            for (var at = c; at < x.Length; at += columns)
            {
                var deviation = x[at] - mean[c];
                squares += deviation * deviation;
            }

            m2[c] = squares;
        }
    }

    /// <summary>xhat = (x − mean) · inverseStd, the mean taken off in two float32 parts; y = γ · xhat + β.</summary>
    public static void Normalize(
        Span<float> xhat,
        Span<float> y,
        ReadOnlySpan<float> x,
        ReadOnlySpan<double> mean,
        ReadOnlySpan<float> inverseStd,
        ReadOnlySpan<float> gamma,
        ReadOnlySpan<float> beta)
    {
        for (var i = 0; i < x.Length; i++)
        {
            var c = i % mean.Length;
            var high = (float)mean[c];
            var low = (float)(mean[c] - high);
            xhat[i] = (x[i] - high - low) * inverseStd[c];
            y[i] = MathF.FusedMultiplyAdd(xhat[i], gamma[c], beta[c]);
        }
    }

    /// <summary>Σ dy and Σ dy · xhat of each column in float64, rows in order.</summary>
    public static void BackwardSums(ReadOnlySpan<float> dy, ReadOnlySpan<float> xhat, Span<double> sumDy, Span<double> sumDyXhat)
    {
        sumDy.Clear();
        sumDyXhat.Clear();
        for (var i = 0; i < dy.Length; i++)
        {
            sumDy[i % sumDy.Length] += dy[i];
            sumDyXhat[i % sumDy.Length] += (double)dy[i] * xhat[i];
        }
    }

    /// <summary>dx = γ · inverseStd · (dy − Σdy / n − xhat · Σ(dy·xhat) / n).</summary>
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
        for (var i = 0; i < dx.Length; i++)
        {
            var c = i % sumDy.Length;
            var meanDy = (float)(sumDy[c] / count);
            var minusMeanDyXhat = (float)(-sumDyXhat[c] / count);
            dx[i] = MathF.FusedMultiplyAdd(xhat[i], minusMeanDyXhat, dy[i] - meanDy) * (gamma[c] * inverseStd[c]);
        }
    }
}
