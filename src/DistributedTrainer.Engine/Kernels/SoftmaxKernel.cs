using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>Softmax with cross-entropy in one pass a row. B rows, C classes.</summary>
public static class SoftmaxKernel
{
    /// <summary>
    /// dz = softmax(z) − onehot(label), per row (a sum's gradient, not divided by B); losses = log Σ e^(z − max) + max − z_label.
    /// </summary>
    /// <param name="z">Scores (B,C).</param>
    /// <param name="labels">Right classes (B), each in 0..C−1.</param>
    /// <param name="dz">Gradient (B,C).</param>
    /// <param name="losses">Loss of each row (B).</param>
    /// <exception cref="ArgumentException">Lengths do not fit, or a label is no class; names the row.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void CrossEntropy(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, Span<float> dz, Span<float> losses)
    {
        if (labels.Length == 0)
        {
            return;
        }

        VectorMap.CheckLengths(dz.Length, z.Length);
        VectorMap.CheckLengths(losses.Length, labels.Length);
        var classes = z.Length / labels.Length;
        VectorMap.CheckRows(z.Length, labels.Length);
        for (var row = 0; row < labels.Length; row++)
        {
            var scores = z.Slice(row * classes, classes);
            var gradient = dz.Slice(row * classes, classes);
            if ((uint)labels[row] >= (uint)classes)
            {
                throw new ArgumentException($"cross-entropy: row {row} has class {labels[row]}, the scores are of classes 0 to {classes - 1}. Check data.target, or the outputs of the last layer.");
            }

            var (maximum, sum) = Exponentials(scores, gradient);
            losses[row] = VectorMath.Log(sum) + (maximum - scores[labels[row]]);
            for (var c = 0; c < classes; c++)
            {
                gradient[c] /= sum;
            }

            gradient[labels[row]] -= 1;
        }
    }

    /// <summary>Index of the largest score; the first one of equals.</summary>
    public static int ArgMax(ReadOnlySpan<float> scores)
    {
        var best = 0;
        for (var c = 1; c < scores.Length; c++)
        {
            if (scores[c] > scores[best])
            {
                best = c;
            }
        }

        return best;
    }

    /// <summary>Writes e^(z − max) and returns the maximum and the sum, which runs in 16 fixed lanes.</summary>
    private static (float Maximum, float Sum) Exponentials(ReadOnlySpan<float> scores, Span<float> exponentials)
    {
        var maximum = scores[0];
        foreach (var score in scores)
        {
            maximum = MathF.Max(maximum, score);
        }

        var sums = Vector512<float>.Zero;
        var maxima = Vector512.Create(maximum);
        Span<float> block = stackalloc float[VectorMap.Lanes];
        for (var start = 0; start < scores.Length; start += VectorMap.Lanes)
        {
            var count = Math.Min(VectorMap.Lanes, scores.Length - start);

            // Lanes without a class hold −∞, whose exponential is 0.
            block.Fill(float.NegativeInfinity);
            scores.Slice(start, count).CopyTo(block);
            var e = VectorMath.ExpLanes.Apply(Vector512.Create<float>(block) - maxima);
            e = Vector512.ConditionalSelect(Vector512.Equals(Vector512.Create<float>(block), Vector512.Create(float.NegativeInfinity)), Vector512<float>.Zero, e);
            sums += e;
            e.CopyTo(block);
            block[..count].CopyTo(exponentials[start..]);
        }

        return (maximum, VectorMap.SumLanes(sums));
    }
}
