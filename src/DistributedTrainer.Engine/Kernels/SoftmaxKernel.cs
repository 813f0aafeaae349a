using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Softmax of rows, alone and in one pass with cross-entropy. B rows, C classes. The maximum of a row is taken out first,
/// so no score overflows; sums run in 16 fixed lanes. A row with NaN, +∞ or nothing but −∞ gives NaN.
/// </summary>
public static class SoftmaxKernel
{
    /// <summary>y = softmax(x) of each row (B,C).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Softmax(Span<float> y, ReadOnlySpan<float> x, int classes)
    {
        VectorMap.CheckLengths(y.Length, x.Length);
        VectorMap.CheckRows(x.Length, classes);
        for (var start = 0; start < x.Length; start += classes)
        {
            var probabilities = y.Slice(start, classes);
            var (_, sum) = Exponentials(x.Slice(start, classes), probabilities);
            Divide(probabilities, sum);
        }
    }

    /// <summary>dx = y (dy − Σ dy·y) in each row (B,C).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void SoftmaxBackward(Span<float> dx, ReadOnlySpan<float> dy, ReadOnlySpan<float> y, int classes)
    {
        VectorMap.CheckLengths(dx.Length, dy.Length);
        VectorMap.CheckLengths(dx.Length, y.Length);
        VectorMap.CheckRows(dx.Length, classes);
        for (var start = 0; start < dx.Length; start += classes)
        {
            var upstream = dy.Slice(start, classes);
            var probabilities = y.Slice(start, classes);
            var gradient = dx.Slice(start, classes);
            var products = Vector512<float>.Zero;
            for (var c = 0; c < classes; c += VectorMap.Lanes)
            {
                products = Vector512.FusedMultiplyAdd(VectorMap.Load(upstream, c), VectorMap.Load(probabilities, c), products);
            }

            var dot = Vector512.Create(VectorMap.SumLanes(products));
            for (var c = 0; c < classes; c += VectorMap.Lanes)
            {
                VectorMap.Store(VectorMap.Load(probabilities, c) * (VectorMap.Load(upstream, c) - dot), gradient, c);
            }
        }
    }

    /// <summary>y = x − max − log Σ e^(x − max) of each row (B,C).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LogSoftmax(Span<float> y, ReadOnlySpan<float> x, int classes)
    {
        VectorMap.CheckLengths(y.Length, x.Length);
        VectorMap.CheckRows(x.Length, classes);
        for (var start = 0; start < x.Length; start += classes)
        {
            var scores = x.Slice(start, classes);
            var logarithms = y.Slice(start, classes);
            var (maximum, sum) = Exponentials(scores, logarithms);
            var (highest, logSum) = (Vector512.Create(maximum), Vector512.Create(VectorMath.Log(sum)));
            for (var c = 0; c < classes; c += VectorMap.Lanes)
            {
                VectorMap.Store(VectorMap.Load(scores, c) - highest - logSum, logarithms, c);
            }
        }
    }

    /// <summary>dx = dy − e^y Σ dy in each row (B,C).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LogSoftmaxBackward(Span<float> dx, ReadOnlySpan<float> dy, ReadOnlySpan<float> y, int classes)
    {
        VectorMap.CheckLengths(dx.Length, dy.Length);
        VectorMap.CheckLengths(dx.Length, y.Length);
        VectorMap.CheckRows(dx.Length, classes);
        for (var start = 0; start < dx.Length; start += classes)
        {
            var upstream = dy.Slice(start, classes);
            var logarithms = y.Slice(start, classes);
            var gradient = dx.Slice(start, classes);
            var sums = Vector512<float>.Zero;
            for (var c = 0; c < classes; c += VectorMap.Lanes)
            {
                sums += VectorMap.Load(upstream, c);
            }

            var minusSum = Vector512.Create(-VectorMap.SumLanes(sums));
            for (var c = 0; c < classes; c += VectorMap.Lanes)
            {
                var probabilities = VectorMath.ExpLanes.Apply(VectorMap.Load(logarithms, c));
                VectorMap.Store(Vector512.FusedMultiplyAdd(probabilities, minusSum, VectorMap.Load(upstream, c)), gradient, c);
            }
        }
    }

    /// <summary>
    /// Cross-entropy with the target (1 − ε) onehot(label) + ε / C, ε the label smoothing. With p = softmax(z):
    /// losses = −(1 − ε) log p_label − ε / C Σ log p, and dz = p − target, per row (a sum's gradient, not divided by B).
    /// </summary>
    /// <param name="z">Scores (B,C).</param>
    /// <param name="labels">Right classes (B), each in 0..C−1.</param>
    /// <param name="dz">Gradient (B,C).</param>
    /// <param name="losses">Loss of each row (B).</param>
    /// <param name="labelSmoothing">ε, from 0 to below 1. Default 0.</param>
    /// <exception cref="ArgumentException">Lengths do not fit, or a label is no class; names the row.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void CrossEntropy(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, Span<float> dz, Span<float> losses, float labelSmoothing = 0)
    {
        if (labels.Length == 0)
        {
            return;
        }

        VectorMap.CheckLengths(dz.Length, z.Length);
        VectorMap.CheckLengths(losses.Length, labels.Length);
        var classes = z.Length / labels.Length;
        VectorMap.CheckRows(z.Length, labels.Length);
        var share = labelSmoothing / classes;
        for (var row = 0; row < labels.Length; row++)
        {
            var scores = z.Slice(row * classes, classes);
            var gradient = dz.Slice(row * classes, classes);
            if ((uint)labels[row] >= (uint)classes)
            {
                throw new ArgumentException($"cross-entropy: row {row} has class {labels[row]}, the scores are of classes 0 to {classes - 1}. Check data.target, or the outputs of the last layer.");
            }

            var (maximum, sum) = Exponentials(scores, gradient);
            var logSum = VectorMath.Log(sum);
            losses[row] = logSum + (maximum - scores[labels[row]]);
            Divide(gradient, sum);
            gradient[labels[row]] -= 1;
            if (labelSmoothing > 0)
            {
                // The label's log p gives up the share ε, and each class takes ε / C of it.
                losses[row] = ((1 - labelSmoothing) * losses[row]) + (labelSmoothing * logSum) + (share * SumBelow(scores, maximum));
                gradient[labels[row]] += labelSmoothing;
                Subtract(gradient, share);
            }
        }
    }

    /// <summary>
    /// losses = Σ q log(q / p) with p = softmax(z), 0 where q is 0; dz = p Σ q − q, per row (a sum's gradient, not divided by B).
    /// </summary>
    /// <param name="z">Scores (B,C).</param>
    /// <param name="q">Target distributions (B,C): not negative, each row sums to 1.</param>
    /// <param name="dz">Gradient (B,C).</param>
    /// <param name="losses">Loss of each row (B).</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void KlDivergence(ReadOnlySpan<float> z, ReadOnlySpan<float> q, Span<float> dz, Span<float> losses)
    {
        var classes = losses.Length == 0 ? 0 : z.Length / losses.Length;
        for (var row = 0; row < losses.Length; row++)
        {
            var scores = z.Slice(row * classes, classes);
            var target = q.Slice(row * classes, classes);
            var gradient = dz.Slice(row * classes, classes);
            var (maximum, sum) = Exponentials(scores, gradient);
            var (highest, logSum) = (Vector512.Create(maximum), Vector512.Create(VectorMath.Log(sum)));
            var (divergence, mass) = (Vector512<float>.Zero, Vector512<float>.Zero);
            for (var c = 0; c < classes; c += VectorMap.Lanes)
            {
                var share = VectorMap.Load(target, c);
                var logarithm = VectorMap.Load(scores, c) - highest - logSum;
                var term = share * (VectorMath.LogLanes.Apply(share) - logarithm);
                divergence += Vector512.ConditionalSelect(Vector512.Equals(share, Vector512<float>.Zero), Vector512<float>.Zero, term);
                mass += share;
            }

            losses[row] = VectorMap.SumLanes(divergence);
            var factor = Vector512.Create(VectorMap.SumLanes(mass) / sum);
            for (var c = 0; c < classes; c += VectorMap.Lanes)
            {
                VectorMap.Store((VectorMap.Load(gradient, c) * factor) - VectorMap.Load(target, c), gradient, c);
            }
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
        var nothing = Vector512.Create(float.NegativeInfinity);
        var highest = nothing;
        for (var c = 0; c < scores.Length; c += VectorMap.Lanes)
        {
            highest = Vector512.Max(highest, VectorMap.Load(scores, c, float.NegativeInfinity));
        }

        var maximum = MaximumLane(highest);
        var (sums, maxima) = (Vector512<float>.Zero, Vector512.Create(maximum));
        for (var c = 0; c < scores.Length; c += VectorMap.Lanes)
        {
            // Lanes without a class hold −∞, whose exponential is 0.
            var values = VectorMap.Load(scores, c, float.NegativeInfinity);
            var e = VectorMath.ExpLanes.Apply(values - maxima);
            e = Vector512.ConditionalSelect(Vector512.Equals(values, nothing), Vector512<float>.Zero, e);
            sums += e;
            VectorMap.Store(e, exponentials, c);
        }

        return (maximum, VectorMap.SumLanes(sums));
    }

    private static float MaximumLane(Vector512<float> lanes)
    {
        var eight = Vector256.Max(lanes.GetLower(), lanes.GetUpper());
        var four = Vector128.Max(eight.GetLower(), eight.GetUpper());
        return MathF.Max(MathF.Max(four[0], four[1]), MathF.Max(four[2], four[3]));
    }

    // Σ (max − z), in 16 fixed lanes.
    private static float SumBelow(ReadOnlySpan<float> scores, float maximum)
    {
        var sums = Vector512<float>.Zero;
        for (var c = 0; c < scores.Length; c += VectorMap.Lanes)
        {
            sums += Vector512.Create(maximum) - VectorMap.Load(scores, c, maximum);
        }

        return VectorMap.SumLanes(sums);
    }

    private static void Divide(Span<float> values, float divisor)
    {
        for (var c = 0; c < values.Length; c += VectorMap.Lanes)
        {
            VectorMap.Store(VectorMap.Load(values, c) / Vector512.Create(divisor), values, c);
        }
    }

    private static void Subtract(Span<float> values, float share)
    {
        for (var c = 0; c < values.Length; c += VectorMap.Lanes)
        {
            VectorMap.Store(VectorMap.Load(values, c) - Vector512.Create(share), values, c);
        }
    }
}
