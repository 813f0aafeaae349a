using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Optimizers;

/// <summary>
/// The global norm of a gradient that lies in partitions: each gives the sums of squares of its blocks of 4096 elements,
/// and all block sums together are added in one fixed tree. So the norm has the same bits for any number of partitions.
/// </summary>
public static class GradientNorm
{
    /// <summary>Elements of a block. Partitions begin at multiples of it.</summary>
    public const int BlockLength = 4096;

    /// <summary>How many blocks so many elements have; the last may be shorter.</summary>
    public static int Blocks(int length) => (length + BlockLength - 1) / BlockLength;

    /// <summary>Sum of squares of each block, in float64 in 16 fixed lanes.</summary>
    /// <param name="gradient">A range that begins at a block's border.</param>
    /// <param name="sums">One a block; overwritten.</param>
    /// <exception cref="ArgumentException">There are more or fewer sums than blocks.</exception>
    public static void BlockSums(ReadOnlySpan<float> gradient, Span<double> sums)
    {
        if (sums.Length != Blocks(gradient.Length))
        {
            throw new ArgumentException($"gradient norm: {sums.Length} sums for {gradient.Length} elements, which have {Blocks(gradient.Length)} blocks of {BlockLength}.");
        }

        for (var block = 0; block < sums.Length; block++)
        {
            var start = block * BlockLength;
            sums[block] = SquareSum.Of(gradient[start..Math.Min(gradient.Length, start + BlockLength)]);
        }
    }

    /// <summary>Adds the block sums of the whole gradient, in order of the blocks, pair by pair in a binary tree.</summary>
    /// <param name="sums">All block sums; used as scratch.</param>
    /// <returns>The sum of squares; 0 for no blocks.</returns>
    public static double Combine(Span<double> sums)
    {
        for (var count = sums.Length; count > 1; count = (count + 1) / 2)
        {
            for (var pair = 0; pair < count / 2; pair++)
            {
                sums[pair] = sums[2 * pair] + sums[(2 * pair) + 1];
            }

            // The odd one goes up a level as it is.
            if (count % 2 == 1)
            {
                sums[count / 2] = sums[count - 1];
            }
        }

        return sums.Length == 0 ? 0 : sums[0];
    }

    /// <summary>
    /// min(1, c / (norm + 1e-6)) with norm = √sumOfSquares / rows, the norm of the mean gradient: PyTorch's
    /// clip_grad_norm_. An infinite norm gives 0, a NaN stays NaN.
    /// </summary>
    /// <param name="sumOfSquares">Of the gradient summed over rows.</param>
    /// <param name="rows">Those rows.</param>
    /// <param name="maximumNorm">c, above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">c is not above 0.</exception>
    public static float Scale(double sumOfSquares, long rows, double maximumNorm)
    {
        if (!(maximumNorm > 0))
        {
            throw new ArgumentOutOfRangeException(nameof(maximumNorm), $"clip-norm is {maximumNorm}, it must be above 0.");
        }

        return (float)Math.Min(1, maximumNorm / ((Math.Sqrt(sumOfSquares) / rows) + 1e-6));
    }
}
