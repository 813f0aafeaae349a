using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>The loss of one score z against one target t and its derivative by z, 16 lanes at a time.</summary>
internal interface ILossFunction
{
    Vector512<float> Apply(Vector512<float> z, Vector512<float> t, out Vector512<float> dz);
}

/// <summary>Losses that are computed score by score, or by margins between scores. B rows, C outputs.</summary>
internal static class LossKernel
{
    /// <summary>Two classes, one score a row: class 0 is t = −1, class 1 is t = +1. All spans have length B.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void TwoClasses<TLoss>(TLoss loss, ReadOnlySpan<float> z, ReadOnlySpan<int> labels, Span<float> dz, Span<float> losses)
        where TLoss : struct, ILossFunction
    {
        Span<float> targets = stackalloc float[VectorMap.Lanes];
        targets.Clear();
        for (var start = 0; start < z.Length; start += VectorMap.Lanes)
        {
            var count = Math.Min(VectorMap.Lanes, z.Length - start);
            for (var i = 0; i < count; i++)
            {
                targets[i] = (2 * labels[start + i]) - 1;
            }

            VectorMap.Store(loss.Apply(VectorMap.Load(z, start), Vector512.Create<float>(targets), out var gradient), losses, start);
            VectorMap.Store(gradient, dz, start);
        }
    }

    /// <summary>Mean over the outputs of each row of z(B,C) against t(B,C), summed in float64, columns in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MeanOverOutputs<TLoss>(TLoss loss, ReadOnlySpan<float> z, ReadOnlySpan<float> t, Span<float> dz, Span<float> losses)
        where TLoss : struct, ILossFunction
    {
        var outputs = losses.Length == 0 ? 0 : z.Length / losses.Length;
        var divisor = Vector512.Create((float)outputs);
        var (sum, column, row) = (0.0, 0, 0);
        Span<float> block = stackalloc float[VectorMap.Lanes];
        for (var start = 0; start < z.Length; start += VectorMap.Lanes)
        {
            loss.Apply(VectorMap.Load(z, start), VectorMap.Load(t, start), out var gradient).CopyTo(block);
            VectorMap.Store(gradient / divisor, dz, start);
            foreach (var element in block[..Math.Min(VectorMap.Lanes, z.Length - start)])
            {
                sum += element;
                if (++column == outputs)
                {
                    losses[row++] = (float)(sum / outputs);
                    (sum, column) = (0, 0);
                }
            }
        }
    }

    /// <summary>
    /// losses = Σ_{j≠t} max(0, margin + z_j − z_t), so dz_j = 1 where that is above 0, and dz_t = −(their number). The sum
    /// runs in 16 fixed lanes.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Margins(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, float margin, Span<float> dz, Span<float> losses)
    {
        var classes = labels.Length == 0 ? 0 : z.Length / labels.Length;
        for (var row = 0; row < labels.Length; row++)
        {
            var scores = z.Slice(row * classes, classes);
            var gradient = dz.Slice(row * classes, classes);
            var right = Vector512.Create(scores[labels[row]]);
            var (sums, above) = (Vector512<float>.Zero, Vector512<float>.Zero);
            for (var c = 0; c < classes; c += VectorMap.Lanes)
            {
                var numbers = Vector512.Create(c) + Vector512<int>.Indices;
                var others = (Vector512.LessThan(numbers, Vector512.Create(classes)) & ~Vector512.Equals(numbers, Vector512.Create(labels[row]))).AsSingle();
                var excess = VectorMap.Load(scores, c) - right + Vector512.Create(margin);
                var counts = others & Vector512.GreaterThan(excess, Vector512<float>.Zero) & Vector512<float>.One;

                // Not max(…): a NaN must stay one, so that the run is stopped.
                sums += others & ~Vector512.LessThan(excess, Vector512<float>.Zero) & excess;
                above += counts;
                VectorMap.Store(counts, gradient, c);
            }

            losses[row] = VectorMap.SumLanes(sums);
            gradient[labels[row]] = -VectorMap.SumLanes(above);
        }
    }
}

/// <summary>max(0, −t z), so dz = −t where t z &lt; 0, else 0.</summary>
internal readonly struct PerceptronFunction : ILossFunction
{
    public Vector512<float> Apply(Vector512<float> z, Vector512<float> t, out Vector512<float> dz)
    {
        var product = t * z;
        dz = Vector512.LessThan(product, Vector512<float>.Zero) & -t;
        return Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(product, Vector512<float>.Zero), Vector512<float>.Zero, -product);
    }
}

/// <summary>max(0, 1 − t z), so dz = −t where t z &lt; 1, else 0.</summary>
internal readonly struct HingeFunction : ILossFunction
{
    public Vector512<float> Apply(Vector512<float> z, Vector512<float> t, out Vector512<float> dz)
    {
        var missing = Vector512<float>.One - (t * z);
        dz = Vector512.GreaterThan(missing, Vector512<float>.Zero) & -t;
        return Vector512.ConditionalSelect(Vector512.LessThan(missing, Vector512<float>.Zero), Vector512<float>.Zero, missing);
    }
}

/// <summary>log(1 + e^−tz), so dz = −t σ(−tz).</summary>
internal readonly struct LogisticFunction : ILossFunction
{
    public Vector512<float> Apply(Vector512<float> z, Vector512<float> t, out Vector512<float> dz)
    {
        var argument = -(t * z);
        dz = -t * VectorMath.SigmoidLanes.Apply(argument);
        return VectorMath.SoftplusLanes.Apply(argument);
    }
}

/// <summary>(z − t)², so dz = 2 (z − t).</summary>
internal readonly struct SquaredFunction : ILossFunction
{
    public Vector512<float> Apply(Vector512<float> z, Vector512<float> t, out Vector512<float> dz)
    {
        var error = z - t;
        dz = error + error;
        return error * error;
    }
}

/// <summary>|z − t|, so dz is the sign of z − t, 0 where they are equal.</summary>
internal readonly struct AbsoluteFunction : ILossFunction
{
    public Vector512<float> Apply(Vector512<float> z, Vector512<float> t, out Vector512<float> dz)
    {
        var error = z - t;
        dz = VectorMap.Sign(error);
        return Vector512.Abs(error);
    }
}

/// <summary>
/// With e = z − t: e² / 2 where |e| ≤ δ, else δ (|e| − δ / 2), so dz = e within [−δ, δ], and ±δ beyond.
/// </summary>
internal readonly struct HuberFunction(float delta) : ILossFunction
{
    public Vector512<float> Apply(Vector512<float> z, Vector512<float> t, out Vector512<float> dz)
    {
        var error = z - t;
        var bound = Vector512.Create(delta);
        var half = Vector512.Create(0.5f);
        dz = Vector512.Min(Vector512.Max(error, -bound), bound);
        return Vector512.ConditionalSelect(
            Vector512.GreaterThan(Vector512.Abs(error), bound), bound * (Vector512.Abs(error) - (half * bound)), half * error * error);
    }
}
