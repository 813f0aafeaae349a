using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using DistributedTrainer.Engine.Optimizers;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// One pass from summed gradient to new weights. In all of them g is what <see cref="OptimizerStep"/> says. State that
/// falls below the smallest normal number becomes 0: denormal numbers would slow every later step.
/// A moving average is β s + (1−β) x as it stands: β (s − x) + x loses s where it is far below x, and s + (1−β) (x − s)
/// loses x where β is small and x far below s.
/// </summary>
internal static class OptimizerKernel
{
    /// <summary>w ← w − η g.</summary>
    public static void Sgd(in OptimizerStep step, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, Span<float> updated) =>
        Run(new SgdLanes(-step.LearningRate), step, weights, gradientSum, [], [], updated);

    /// <summary>v ← α v − η g; w ← w + v.</summary>
    public static void Momentum(
        in OptimizerStep step, float alpha, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, Span<float> velocity, Span<float> updated) =>
        Run(new MomentumLanes(-step.LearningRate, alpha), step, weights, gradientSum, State(velocity, weights.Length), [], updated);

    /// <summary>v ← α v − η g; w ← w + α v − η g.</summary>
    public static void Nesterov(
        in OptimizerStep step, float alpha, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, Span<float> velocity, Span<float> updated) =>
        Run(new NesterovLanes(-step.LearningRate, alpha), step, weights, gradientSum, State(velocity, weights.Length), [], updated);

    /// <summary>s ← β s + (1−β) g²; w ← w − η g / (√s + ε).</summary>
    public static void RmsProp(
        in OptimizerStep step, float beta, float epsilon, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, Span<float> squares, Span<float> updated) =>
        Run(new RmsPropLanes(-step.LearningRate, beta, epsilon), step, weights, gradientSum, State(squares, weights.Length), [], updated);

    /// <summary>s ← s + g²; w ← w − η g / (√s + ε).</summary>
    public static void AdaGrad(
        in OptimizerStep step, float epsilon, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, Span<float> squares, Span<float> updated) =>
        Run(new AdaGradLanes(-step.LearningRate, epsilon), step, weights, gradientSum, State(squares, weights.Length), [], updated);

    /// <summary>
    /// m ← β₁ m + (1−β₁) g; s ← β₂ s + (1−β₂) g²; w ← keep · w − rate · m / (√s · inverseRoot + ε), with the corrections of
    /// the bias in rate and inverseRoot.
    /// </summary>
    public static void Adam(
        in OptimizerStep step,
        in AdamFactors factors,
        ReadOnlySpan<float> weights,
        ReadOnlySpan<float> gradientSum,
        Span<float> first,
        Span<float> second,
        Span<float> updated) =>
        Run(new AdamLanes(factors), step, weights, gradientSum, State(first, weights.Length), State(second, weights.Length), updated);

    /// <summary>The numbers of Adam's update in one step.</summary>
    internal readonly record struct AdamFactors(float Keep, float Rate, float InverseRoot, float Beta1, float Beta2, float Epsilon);

    private interface IUpdate
    {
        /// <summary>State vectors that it reads and writes, 0 to 2.</summary>
        static abstract int States { get; }

        Vector512<float> Apply(Vector512<float> w, Vector512<float> g, ref Vector512<float> s, ref Vector512<float> t);
    }

    /// <summary>How the penalty acts before and after the update.</summary>
    private interface IPenalty
    {
        /// <summary>g of the gradient summed over rows.</summary>
        Vector512<float> Gradient(Vector512<float> sum, Vector512<float> w);

        /// <summary>The weight that may follow w, given the one that the update asks for.</summary>
        Vector512<float> Held(Vector512<float> updated, Vector512<float> w, Vector512<float> g);
    }

    private static void Run<TUpdate>(
        TUpdate update,
        in OptimizerStep step,
        ReadOnlySpan<float> weights,
        ReadOnlySpan<float> gradientSum,
        Span<float> state0,
        Span<float> state1,
        Span<float> updated)
        where TUpdate : struct, IUpdate
    {
        VectorMap.CheckLengths(updated.Length, weights.Length, "optimizer");
        VectorMap.CheckLengths(updated.Length, gradientSum.Length, "optimizer");
        if (step.Rows < 1)
        {
            throw new ArgumentException($"optimizer: step {step.Step} has {step.Rows} rows, it needs one at least. Leave out a step without rows.");
        }

        if (step.L1Zeros)
        {
            Run(update, new OrthantLanes(step), weights, gradientSum, state0, state1, updated);
        }
        else if (step.IsPlain)
        {
            Run(update, new MeanLanes(step), weights, gradientSum, state0, state1, updated);
        }
        else
        {
            Run(update, new RegularizedLanes(step), weights, gradientSum, state0, state1, updated);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void Run<TUpdate, TPenalty>(
        TUpdate update,
        TPenalty penalty,
        ReadOnlySpan<float> weights,
        ReadOnlySpan<float> gradientSum,
        Span<float> state0,
        Span<float> state1,
        Span<float> updated)
        where TUpdate : struct, IUpdate
        where TPenalty : struct, IPenalty
    {
        fixed (float* pw = weights, pg = gradientSum, ps = state0, pt = state1, pu = updated)
        {
            var whole = weights.Length / VectorMap.Lanes * VectorMap.Lanes;
            for (var i = 0; i < whole; i += VectorMap.Lanes)
            {
                var w = Vector512.Load(pw + i);
                var s = TUpdate.States > 0 ? Vector512.Load(ps + i) : default;
                var t = TUpdate.States > 1 ? Vector512.Load(pt + i) : default;
                var g = penalty.Gradient(Vector512.Load(pg + i), w);
                penalty.Held(update.Apply(w, g, ref s, ref t), w, g).Store(pu + i);
                if (TUpdate.States > 0)
                {
                    s.Store(ps + i);
                }

                if (TUpdate.States > 1)
                {
                    t.Store(pt + i);
                }
            }

            if (whole < weights.Length)
            {
                Rest(update, penalty, pw + whole, pg + whole, ps + whole, pt + whole, pu + whole, weights.Length - whole);
            }
        }
    }

    // Apart: calls in the method of the loop would send the loop's registers to memory in every turn.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static unsafe void Rest<TUpdate, TPenalty>(
        TUpdate update, TPenalty penalty, float* weights, float* gradientSum, float* state0, float* state1, float* updated, int count)
        where TUpdate : struct, IUpdate
        where TPenalty : struct, IPenalty
    {
        var w = VectorMap.Load(weights, count);
        var s = TUpdate.States > 0 ? VectorMap.Load(state0, count) : default;
        var t = TUpdate.States > 1 ? VectorMap.Load(state1, count) : default;
        var g = penalty.Gradient(VectorMap.Load(gradientSum, count), w);
        VectorMap.Store(penalty.Held(update.Apply(w, g, ref s, ref t), w, g), updated, count);
        if (TUpdate.States > 0)
        {
            VectorMap.Store(s, state0, count);
        }

        if (TUpdate.States > 1)
        {
            VectorMap.Store(t, state1, count);
        }
    }

    // An empty state would pass for one of an optimizer that keeps none, and momentum would quietly be plain descent.
    private static Span<float> State(Span<float> state, int weights) => state.Length == weights
        ? state
        : throw new ArgumentException($"optimizer: a state vector has {state.Length} elements, there are {weights} weights. Allocate StateVectors vectors as long as the weights.");

    private static Vector512<float> Flush(Vector512<float> state) =>
        Vector512.ConditionalSelect(
            Vector512.LessThan(Vector512.Abs(state), Vector512.Create(1.17549435e-38f)), Vector512<float>.Zero, state);

    // One factor for all elements: a division for each would cost as much as the rest of the step.
    private static Vector512<float> Factor(in OptimizerStep step) => Vector512.Create((float)((double)step.GradientScale / step.Rows));

    /// <summary>g where nothing is clipped or regularised: the mean over rows, scaled.</summary>
    private readonly struct MeanLanes(in OptimizerStep step) : IPenalty
    {
        private readonly Vector512<float> _factor = Factor(step);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Gradient(Vector512<float> sum, Vector512<float> w) => sum * _factor;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Held(Vector512<float> updated, Vector512<float> w, Vector512<float> g) => updated;
    }

    /// <summary>Mean, scaled, clipped, then regularised; any weight may follow.</summary>
    private readonly struct RegularizedLanes(in OptimizerStep step) : IPenalty
    {
        private readonly Vector512<float> _factor = Factor(step);
        private readonly Vector512<float> _clip = Vector512.Create(step.ClipValue);
        private readonly Vector512<float> _l1 = Vector512.Create(step.L1);
        private readonly Vector512<float> _l2 = Vector512.Create(step.WeightDecay);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Gradient(Vector512<float> sum, Vector512<float> w) =>
            Vector512.FusedMultiplyAdd(_l1, VectorMap.Sign(w), Smooth(sum, w));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Held(Vector512<float> updated, Vector512<float> w, Vector512<float> g) => updated;

        /// <summary>g without the part of L1.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Smooth(Vector512<float> sum, Vector512<float> w)
        {
            var clipped = Vector512.Min(Vector512.Max(sum * _factor, -_clip), _clip);
            return Vector512.FusedMultiplyAdd(_l2, w, clipped);
        }
    }

    /// <summary>
    /// L1 whose zeros are exact. At w = 0 the gradient c of the rest is soft-thresholded: g = c − min(max(c, −λ₁), λ₁), which
    /// is 0 where |c| ≤ λ₁. A step stays on its side of 0, that of w, or of −g where w is 0: beyond it the weight is 0.
    /// Source: Andrew, Gao, "Scalable training of L1-regularized log-linear models", 2007.
    /// </summary>
    private readonly struct OrthantLanes(in OptimizerStep step) : IPenalty
    {
        private readonly RegularizedLanes _plain = new(step);
        private readonly Vector512<float> _l1 = Vector512.Create(step.L1);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Gradient(Vector512<float> sum, Vector512<float> w)
        {
            var smooth = _plain.Smooth(sum, w);
            var atZero = smooth - Vector512.Min(Vector512.Max(smooth, -_l1), _l1);
            return Vector512.ConditionalSelect(
                Vector512.Equals(w, Vector512<float>.Zero), atZero, Vector512.FusedMultiplyAdd(_l1, VectorMap.Sign(w), smooth));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Held(Vector512<float> updated, Vector512<float> w, Vector512<float> g)
        {
            var side = Vector512.ConditionalSelect(Vector512.Equals(w, Vector512<float>.Zero), -VectorMap.Sign(g), VectorMap.Sign(w));

            // NaN and infinity stay: a 0 in their place would hide that training has diverged.
            var stops = Vector512.LessThanOrEqual(updated * side, Vector512<float>.Zero) & Vector512.LessThan(Vector512.Abs(updated), Vector512.Create(float.PositiveInfinity));
            return Vector512.ConditionalSelect(stops, Vector512<float>.Zero, updated);
        }
    }

    private readonly struct SgdLanes(float minusRate) : IUpdate
    {
        private readonly Vector512<float> _minusRate = Vector512.Create(minusRate);

        public static int States => 0;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Apply(Vector512<float> w, Vector512<float> g, ref Vector512<float> s, ref Vector512<float> t) =>
            Vector512.FusedMultiplyAdd(_minusRate, g, w);
    }

    private readonly struct MomentumLanes(float minusRate, float alpha) : IUpdate
    {
        private readonly Vector512<float> _minusRate = Vector512.Create(minusRate);
        private readonly Vector512<float> _alpha = Vector512.Create(alpha);

        public static int States => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Apply(Vector512<float> w, Vector512<float> g, ref Vector512<float> s, ref Vector512<float> t)
        {
            s = Flush(Vector512.FusedMultiplyAdd(_alpha, s, _minusRate * g));
            return w + s;
        }
    }

    private readonly struct NesterovLanes(float minusRate, float alpha) : IUpdate
    {
        private readonly Vector512<float> _minusRate = Vector512.Create(minusRate);
        private readonly Vector512<float> _alpha = Vector512.Create(alpha);

        public static int States => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Apply(Vector512<float> w, Vector512<float> g, ref Vector512<float> s, ref Vector512<float> t)
        {
            var move = _minusRate * g;
            s = Flush(Vector512.FusedMultiplyAdd(_alpha, s, move));
            return w + Vector512.FusedMultiplyAdd(_alpha, s, move);
        }
    }

    private readonly struct RmsPropLanes(float minusRate, float beta, float epsilon) : IUpdate
    {
        private readonly Vector512<float> _minusRate = Vector512.Create(minusRate);
        private readonly Vector512<float> _beta = Vector512.Create(beta);
        private readonly Vector512<float> _rest = Vector512.Create(1 - beta);
        private readonly Vector512<float> _epsilon = Vector512.Create(epsilon);

        public static int States => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Apply(Vector512<float> w, Vector512<float> g, ref Vector512<float> s, ref Vector512<float> t)
        {
            s = Flush(Vector512.FusedMultiplyAdd(_beta, s, _rest * (g * g)));
            return w + (_minusRate * g / (Vector512.Sqrt(s) + _epsilon));
        }
    }

    private readonly struct AdaGradLanes(float minusRate, float epsilon) : IUpdate
    {
        private readonly Vector512<float> _minusRate = Vector512.Create(minusRate);
        private readonly Vector512<float> _epsilon = Vector512.Create(epsilon);

        public static int States => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Apply(Vector512<float> w, Vector512<float> g, ref Vector512<float> s, ref Vector512<float> t)
        {
            s = Flush(Vector512.FusedMultiplyAdd(g, g, s));
            return w + (_minusRate * g / (Vector512.Sqrt(s) + _epsilon));
        }
    }

    private readonly struct AdamLanes(in AdamFactors factors) : IUpdate
    {
        // Numbers, not vectors: eight vectors would lie on the stack, most of them across two cache lines.
        private readonly AdamFactors _factors = factors;
        private readonly float _rest1 = 1 - factors.Beta1;
        private readonly float _rest2 = 1 - factors.Beta2;

        public static int States => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Apply(Vector512<float> w, Vector512<float> g, ref Vector512<float> s, ref Vector512<float> t)
        {
            s = Flush(Vector512.FusedMultiplyAdd(Vector512.Create(_factors.Beta1), s, Vector512.Create(_rest1) * g));
            t = Flush(Vector512.FusedMultiplyAdd(Vector512.Create(_factors.Beta2), t, Vector512.Create(_rest2) * (g * g)));
            var root = Vector512.FusedMultiplyAdd(Vector512.Sqrt(t), Vector512.Create(_factors.InverseRoot), Vector512.Create(_factors.Epsilon));
            return Vector512.FusedMultiplyAdd(Vector512.Create(_factors.Keep), w, Vector512.Create(-_factors.Rate) * s / root);
        }
    }
}
