namespace DistributedTrainer.Engine.Reduction;

/// <summary>
/// Count, mean and M2 (sum of squared deviations) of C columns in float64, combined pairwise. Float64, since the
/// mean of a column may be many standard deviations away from zero.
/// Source: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
/// </summary>
public static class Moments
{
    /// <summary>Combines the right side into the left one.</summary>
    /// <param name="leftRows">Rows behind the left values.</param>
    /// <param name="leftMean">Means (C); overwritten by those of both sides.</param>
    /// <param name="leftM2">Sums of squared deviations (C); overwritten likewise.</param>
    /// <param name="rightRows">Rows behind the right values.</param>
    /// <param name="rightMean">Means (C).</param>
    /// <param name="rightM2">Sums of squared deviations (C).</param>
    /// <returns>Rows of both sides.</returns>
    public static long Combine(
        long leftRows, Span<double> leftMean, Span<double> leftM2, long rightRows, ReadOnlySpan<double> rightMean, ReadOnlySpan<double> rightM2)
    {
        var rows = leftRows + rightRows;
        if (rightRows == 0)
        {
            return rows;
        }

        var share = (double)rightRows / rows;
        var weight = (double)leftRows * rightRows / rows;
        for (var c = 0; c < leftMean.Length; c++)
        {
            var delta = rightMean[c] - leftMean[c];
            leftMean[c] += delta * share;
            leftM2[c] += rightM2[c] + delta * delta * weight;
        }

        return rows;
    }
}
