namespace DistributedTrainer.Engine.Kernels.Reference;

/// <summary>One number at a time: what <see cref="ElementWise"/> and <see cref="ColumnReduction"/> must give, bit for bit.</summary>
internal static class ReferenceElementWise
{
    /// <summary>destination = x + y.</summary>
    public static void Add(Span<float> destination, ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        for (var i = 0; i < destination.Length; i++)
        {
            destination[i] = x[i] + y[i];
        }
    }

    /// <summary>destination = x · y.</summary>
    public static void Multiply(Span<float> destination, ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        for (var i = 0; i < destination.Length; i++)
        {
            destination[i] = x[i] * y[i];
        }
    }

    /// <summary>destination = max(x, y).</summary>
    public static void Max(Span<float> destination, ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        for (var i = 0; i < destination.Length; i++)
        {
            destination[i] = MathF.Max(x[i], y[i]);
        }
    }

    /// <summary>dx of max(x, y) = dz where x is the larger one, or of equals where it wins those; else 0.</summary>
    public static void MaxBackward(Span<float> dx, ReadOnlySpan<float> dz, ReadOnlySpan<float> x, ReadOnlySpan<float> y, bool winsTies)
    {
        for (var i = 0; i < dx.Length; i++)
        {
            dx[i] = (winsTies ? !(x[i] < y[i]) : x[i] > y[i]) ? dz[i] : 0;
        }
    }

    /// <summary>destination = x · factor.</summary>
    public static void Scale(Span<float> destination, ReadOnlySpan<float> x, float factor)
    {
        for (var i = 0; i < destination.Length; i++)
        {
            destination[i] = x[i] * factor;
        }
    }

    /// <summary>y = max(x, 0); NaN passes through.</summary>
    public static void Relu(Span<float> y, ReadOnlySpan<float> x)
    {
        for (var i = 0; i < y.Length; i++)
        {
            y[i] = x[i] < 0 ? 0 : x[i];
        }
    }

    /// <summary>dx = dy where y &gt; 0, else 0.</summary>
    public static void ReluBackward(Span<float> dx, ReadOnlySpan<float> dy, ReadOnlySpan<float> y)
    {
        for (var i = 0; i < dx.Length; i++)
        {
            dx[i] = y[i] > 0 ? dy[i] : 0;
        }
    }

    /// <summary>dx = dy · (1 − y²), 1 − y² rounded once.</summary>
    public static void TanhBackward(Span<float> dx, ReadOnlySpan<float> dy, ReadOnlySpan<float> y)
    {
        for (var i = 0; i < dx.Length; i++)
        {
            dx[i] = dy[i] * MathF.FusedMultiplyAdd(-y[i], y[i], 1);
        }
    }

    /// <summary>dx = dy · y · (1 − y).</summary>
    public static void SigmoidBackward(Span<float> dx, ReadOnlySpan<float> dy, ReadOnlySpan<float> y)
    {
        for (var i = 0; i < dx.Length; i++)
        {
            dx[i] = dy[i] * y[i] * (1 - y[i]);
        }
    }

    /// <summary>Adds the row b(N) to each of the rows of y(M,N).</summary>
    public static void AddRowVector(Span<float> y, ReadOnlySpan<float> b)
    {
        for (var i = 0; i < y.Length; i++)
        {
            y[i] += b[i % b.Length];
        }
    }

    /// <summary>sum(N) = Σ over the rows of x(M,N), rows in order.</summary>
    public static void SumColumns(ReadOnlySpan<float> x, Span<float> sum)
    {
        sum.Clear();
        for (var i = 0; i < x.Length; i++)
        {
            sum[i % sum.Length] += x[i];
        }
    }
}
