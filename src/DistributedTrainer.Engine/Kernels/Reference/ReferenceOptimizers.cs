using DistributedTrainer.Engine.Optimizers;

namespace DistributedTrainer.Engine.Kernels.Reference;

/// <summary>
/// One weight at a time: what <see cref="OptimizerKernel"/> must give, bit for bit. In all of them g is what
/// <see cref="OptimizerStep"/> says, and state below the smallest normal number becomes 0.
/// </summary>
internal static class ReferenceOptimizers
{
    private const float SmallestNormal = 1.17549435e-38f;

    /// <summary>w ← w − η g.</summary>
    public static float Sgd(in OptimizerStep step, float w, float gradientSum) =>
        Held(step, MathF.FusedMultiplyAdd(-step.LearningRate, Gradient(step, w, gradientSum), w), w, gradientSum);

    /// <summary>v ← α v − η g; w ← w + v.</summary>
    public static float Momentum(in OptimizerStep step, float alpha, float w, float gradientSum, ref float velocity)
    {
        velocity = Flush(MathF.FusedMultiplyAdd(alpha, velocity, -step.LearningRate * Gradient(step, w, gradientSum)));
        return Held(step, w + velocity, w, gradientSum);
    }

    /// <summary>v ← α v − η g; w ← w + α v − η g.</summary>
    public static float Nesterov(in OptimizerStep step, float alpha, float w, float gradientSum, ref float velocity)
    {
        var move = -step.LearningRate * Gradient(step, w, gradientSum);
        velocity = Flush(MathF.FusedMultiplyAdd(alpha, velocity, move));
        return Held(step, w + MathF.FusedMultiplyAdd(alpha, velocity, move), w, gradientSum);
    }

    /// <summary>s ← β s + (1−β) g²; w ← w − η g / (√s + ε).</summary>
    public static float RmsProp(in OptimizerStep step, float beta, float epsilon, float w, float gradientSum, ref float squares)
    {
        var g = Gradient(step, w, gradientSum);
        squares = Flush(MathF.FusedMultiplyAdd(beta, squares, (1 - beta) * (g * g)));
        return Held(step, w + (-step.LearningRate * g / (MathF.Sqrt(squares) + epsilon)), w, gradientSum);
    }

    /// <summary>s ← s + g²; w ← w − η g / (√s + ε).</summary>
    public static float AdaGrad(in OptimizerStep step, float epsilon, float w, float gradientSum, ref float squares)
    {
        var g = Gradient(step, w, gradientSum);
        squares = Flush(MathF.FusedMultiplyAdd(g, g, squares));
        return Held(step, w + (-step.LearningRate * g / (MathF.Sqrt(squares) + epsilon)), w, gradientSum);
    }

    /// <summary>m ← β₁ m + (1−β₁) g; s ← β₂ s + (1−β₂) g²; w ← keep · w − rate · m / (√s · inverseRoot + ε).</summary>
    public static float Adam(
        in OptimizerStep step, in OptimizerKernel.AdamFactors factors, float w, float gradientSum, ref float first, ref float second)
    {
        var g = Gradient(step, w, gradientSum);
        first = Flush(MathF.FusedMultiplyAdd(factors.Beta1, first, (1 - factors.Beta1) * g));
        second = Flush(MathF.FusedMultiplyAdd(factors.Beta2, second, (1 - factors.Beta2) * (g * g)));
        var move = -factors.Rate * first / MathF.FusedMultiplyAdd(MathF.Sqrt(second), factors.InverseRoot, factors.Epsilon);
        return Held(step, MathF.FusedMultiplyAdd(factors.Keep, w, move), w, gradientSum);
    }

    private static float Gradient(in OptimizerStep step, float w, float gradientSum)
    {
        var mean = gradientSum * (float)((double)step.GradientScale / step.Rows);
        if (step.IsPlain)
        {
            return mean;
        }

        var clipped = MathF.Min(MathF.Max(mean, -step.ClipValue), step.ClipValue);
        var smooth = MathF.FusedMultiplyAdd(step.WeightDecay, w, clipped);
        if (step.L1Zeros && w == 0)
        {
            return MathF.Abs(smooth) <= step.L1 ? 0 : smooth > 0 ? smooth - step.L1 : smooth + step.L1;
        }

        return MathF.FusedMultiplyAdd(step.L1, Sign(w), smooth);
    }

    // What crosses 0, or leaves it against the gradient, stops there.
    private static float Held(in OptimizerStep step, float updated, float w, float gradientSum)
    {
        if (!step.L1Zeros || !float.IsFinite(updated))
        {
            return updated;
        }

        var side = w == 0 ? -Sign(Gradient(step, w, gradientSum)) : Sign(w);
        return side != 0 && Sign(updated) == side ? updated : 0;
    }

    private static int Sign(float x) => x > 0 ? 1 : x < 0 ? -1 : 0;

    private static float Flush(float state) => MathF.Abs(state) < SmallestNormal ? 0 : state;
}
