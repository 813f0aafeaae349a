namespace DistributedTrainer.Engine.Kernels.Reference;

/// <summary>
/// The three matrix products as three plain loops: what <see cref="MatrixProduct"/> must give, bit for bit. Each
/// element is one chain of fused multiply-adds over k in order, from 0 or from what c holds.
/// </summary>
internal static class ReferenceMatrixProduct
{
    /// <summary>c(M,N) = a(M,K) · b(N,K)ᵀ.</summary>
    public static void MultiplyByTransposed(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int m, int n, int k, bool accumulate = false)
    {
        for (var i = 0; i < m; i++)
        {
            for (var j = 0; j < n; j++)
            {
                var sum = accumulate ? c[(i * n) + j] : 0f;
                for (var p = 0; p < k; p++)
                {
                    sum = MathF.FusedMultiplyAdd(a[(i * k) + p], b[(j * k) + p], sum);
                }

                c[(i * n) + j] = sum;
            }
        }
    }

    /// <summary>c(M,N) = a(M,K) · b(K,N).</summary>
    public static void Multiply(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int m, int n, int k, bool accumulate = false)
    {
        for (var i = 0; i < m; i++)
        {
            for (var j = 0; j < n; j++)
            {
                var sum = accumulate ? c[(i * n) + j] : 0f;
                for (var p = 0; p < k; p++)
                {
                    sum = MathF.FusedMultiplyAdd(a[(i * k) + p], b[(p * n) + j], sum);
                }

                c[(i * n) + j] = sum;
            }
        }
    }

    /// <summary>c(M,N) = a(K,M)ᵀ · b(K,N).</summary>
    public static void TransposedMultiply(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int m, int n, int k, bool accumulate = false)
    {
        for (var i = 0; i < m; i++)
        {
            for (var j = 0; j < n; j++)
            {
                var sum = accumulate ? c[(i * n) + j] : 0f;
                for (var p = 0; p < k; p++)
                {
                    sum = MathF.FusedMultiplyAdd(a[(p * m) + i], b[(p * n) + j], sum);
                }

                c[(i * n) + j] = sum;
            }
        }
    }
}
