namespace DistributedTrainer.Engine.Kernels;

/// <summary>Sums down columns: rows in order, so that the bits do not depend on the vector width.</summary>
public static class ColumnReduction
{
    /// <summary>sum(N) = Σ over the rows of x(M,N); overwrites.</summary>
    public static void Sum(ReadOnlySpan<float> x, Span<float> sum)
    {
        VectorMap.CheckRows(x.Length, sum.Length, "column sum");
        sum.Clear();
        for (var start = 0; start < x.Length; start += sum.Length)
        {
            ElementWise.AddTo(sum, x.Slice(start, sum.Length));
        }
    }
}
