using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// One pass from summed gradient to new weights. In all of them g = gradientSum / count + decay · w. State that falls
/// below the smallest normal number becomes 0: denormal numbers would slow every later step.
/// </summary>
public static class OptimizerKernel
{
    /// <summary>w ← w − η g.</summary>
    public static void Sgd(ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, long count, float decay, float rate, Span<float> updated) =>
        Run(new SgdLanes(Vector512.Create(-rate)), weights, gradientSum, count, decay, [], [], updated);

    /// <summary>v ← α v − η g; w ← w + v.</summary>
    public static void Momentum(
        ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, long count, float decay, float rate, float momentum, Span<float> velocity, Span<float> updated) =>
        Run(new MomentumLanes(Vector512.Create(-rate), Vector512.Create(momentum)), weights, gradientSum, count, decay, State(velocity, weights.Length), [], updated);

    /// <summary>m ← β₁ m + (1−β₁) g; s ← β₂ s + (1−β₂) g²; w ← w − rate · m / (√s · inverseRoot + ε), with the corrections of the bias in rate and inverseRoot.</summary>
    public static void Adam(
        ReadOnlySpan<float> weights,
        ReadOnlySpan<float> gradientSum,
        long count,
        float decay,
        float rate,
        float inverseRoot,
        float beta1,
        float beta2,
        float epsilon,
        Span<float> first,
        Span<float> second,
        Span<float> updated) =>
        Run(
            new AdamLanes(Vector512.Create(-rate), Vector512.Create(inverseRoot), Vector512.Create(beta1), Vector512.Create(beta2), Vector512.Create(epsilon)),
            weights,
            gradientSum,
            count,
            decay,
            State(first, weights.Length),
            State(second, weights.Length),
            updated);

    private interface IUpdate
    {
        Vector512<float> Apply(Vector512<float> w, Vector512<float> g, ref Vector512<float> s, ref Vector512<float> t);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TUpdate>(
        TUpdate update,
        ReadOnlySpan<float> weights,
        ReadOnlySpan<float> gradientSum,
        long count,
        float decay,
        Span<float> state0,
        Span<float> state1,
        Span<float> updated)
        where TUpdate : struct, IUpdate
    {
        VectorMap.CheckLengths(updated.Length, weights.Length);
        VectorMap.CheckLengths(updated.Length, gradientSum.Length);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var rows = Vector512.Create((float)count);
        var lambda = Vector512.Create(decay);
        var (hasState0, hasState1) = (state0.Length > 0, state1.Length > 0);
        var i = 0;
        for (; i <= weights.Length - VectorMap.Lanes; i += VectorMap.Lanes)
        {
            var w = Vector512.Create(weights[i..]);
            var s = hasState0 ? Vector512.Create<float>(state0[i..]) : default;
            var t = hasState1 ? Vector512.Create<float>(state1[i..]) : default;
            var g = Vector512.FusedMultiplyAdd(lambda, w, Vector512.Create(gradientSum[i..]) / rows);
            update.Apply(w, g, ref s, ref t).CopyTo(updated[i..]);
            if (hasState0)
            {
                s.CopyTo(state0[i..]);
            }

            if (hasState1)
            {
                t.CopyTo(state1[i..]);
            }
        }

        if (i < weights.Length)
        {
            var left = weights.Length - i;
            Span<float> blocks = stackalloc float[4 * VectorMap.Lanes];
            blocks.Clear();
            weights[i..].CopyTo(blocks);
            gradientSum[i..].CopyTo(blocks[VectorMap.Lanes..]);
            (hasState0 ? state0[i..] : []).CopyTo(blocks[(2 * VectorMap.Lanes)..]);
            (hasState1 ? state1[i..] : []).CopyTo(blocks[(3 * VectorMap.Lanes)..]);
            var w = Vector512.Create<float>(blocks);
            var g = Vector512.FusedMultiplyAdd(lambda, w, Vector512.Create<float>(blocks[VectorMap.Lanes..]) / rows);
            var s = Vector512.Create<float>(blocks[(2 * VectorMap.Lanes)..]);
            var t = Vector512.Create<float>(blocks[(3 * VectorMap.Lanes)..]);
            update.Apply(w, g, ref s, ref t).CopyTo(blocks);
            s.CopyTo(blocks[(2 * VectorMap.Lanes)..]);
            t.CopyTo(blocks[(3 * VectorMap.Lanes)..]);
            blocks[..left].CopyTo(updated[i..]);
            blocks.Slice(2 * VectorMap.Lanes, hasState0 ? left : 0).CopyTo(hasState0 ? state0[i..] : []);
            blocks.Slice(3 * VectorMap.Lanes, hasState1 ? left : 0).CopyTo(hasState1 ? state1[i..] : []);
        }
    }

    // An empty state would pass for one of an optimizer that keeps none, and momentum would quietly be plain descent.
    private static Span<float> State(Span<float> state, int weights) => state.Length == weights
        ? state
        : throw new ArgumentException($"optimizer: a state vector has {state.Length} elements, there are {weights} weights. Allocate StateVectors vectors as long as the weights.");

    private static Vector512<float> Flush(Vector512<float> state) =>
        Vector512.ConditionalSelect(
            Vector512.LessThan(Vector512.Abs(state), Vector512.Create(1.17549435e-38f)), Vector512<float>.Zero, state);

    private readonly struct SgdLanes(Vector512<float> minusRate) : IUpdate
    {
        public Vector512<float> Apply(Vector512<float> w, Vector512<float> g, ref Vector512<float> s, ref Vector512<float> t) =>
            Vector512.FusedMultiplyAdd(minusRate, g, w);
    }

    private readonly struct MomentumLanes(Vector512<float> minusRate, Vector512<float> momentum) : IUpdate
    {
        public Vector512<float> Apply(Vector512<float> w, Vector512<float> g, ref Vector512<float> s, ref Vector512<float> t)
        {
            s = Flush(Vector512.FusedMultiplyAdd(momentum, s, minusRate * g));
            return w + s;
        }
    }

    private readonly struct AdamLanes(
        Vector512<float> minusRate, Vector512<float> inverseRoot, Vector512<float> beta1, Vector512<float> beta2, Vector512<float> epsilon) : IUpdate
    {
        public Vector512<float> Apply(Vector512<float> w, Vector512<float> g, ref Vector512<float> s, ref Vector512<float> t)
        {
            s = Flush(Vector512.FusedMultiplyAdd(beta1, s - g, g));
            t = Flush(Vector512.FusedMultiplyAdd(beta2, t - (g * g), g * g));
            return w + (minusRate * s / Vector512.FusedMultiplyAdd(Vector512.Sqrt(t), inverseRoot, epsilon));
        }
    }
}
