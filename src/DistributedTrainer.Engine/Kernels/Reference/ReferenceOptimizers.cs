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
        MathF.FusedMultiplyAdd(-step.LearningRate, Gradient(step, w, gradientSum), w);

    /// <summary>v ← α v − η g; w ← w + v.</summary>
    public static float Momentum(in OptimizerStep step, float alpha, float w, float gradientSum, ref float velocity)
    {
        velocity = Flush(MathF.FusedMultiplyAdd(alpha, velocity, -step.LearningRate * Gradient(step, w, gradientSum)));
        return w + velocity;
    }

    /// <summary>v ← α v − η g; w ← w + α v − η g.</summary>
    public static float Nesterov(in OptimizerStep step, float alpha, float w, float gradientSum, ref float velocity)
    {
        var move = -step.LearningRate * Gradient(step, w, gradientSum);
        velocity = Flush(MathF.FusedMultiplyAdd(alpha, velocity, move));
        return w + MathF.FusedMultiplyAdd(alpha, velocity, move);
    }

    /// <summary>s ← β s + (1−β) g²; w ← w − η g / (√s + ε).</summary>
    public static float RmsProp(in OptimizerStep step, float beta, float epsilon, float w, float gradientSum, ref float squares)
    {
        var g = Gradient(step, w, gradientSum);
        squares = Flush(MathF.FusedMultiplyAdd(beta, squares, (1 - beta) * (g * g)));
        return w + (-step.LearningRate * g / (MathF.Sqrt(squares) + epsilon));
    }

    /// <summary>s ← s + g²; w ← w − η g / (√s + ε).</summary>
    public static float AdaGrad(in OptimizerStep step, float epsilon, float w, float gradientSum, ref float squares)
    {
        var g = Gradient(step, w, gradientSum);
        squares = Flush(MathF.FusedMultiplyAdd(g, g, squares));
        return w + (-step.LearningRate * g / (MathF.Sqrt(squares) + epsilon));
    }

    /// <summary>m ← β₁ m + (1−β₁) g; s ← β₂ s + (1−β₂) g²; w ← keep · w − rate · m / (√s · inverseRoot + ε).</summary>
    public static float Adam(
        in OptimizerStep step, in OptimizerKernel.AdamFactors factors, float w, float gradientSum, ref float first, ref float second)
    {
        var g = Gradient(step, w, gradientSum);
        first = Flush(MathF.FusedMultiplyAdd(factors.Beta1, first, (1 - factors.Beta1) * g));
        second = Flush(MathF.FusedMultiplyAdd(factors.Beta2, second, (1 - factors.Beta2) * (g * g)));
        var move = -factors.Rate * first / MathF.FusedMultiplyAdd(MathF.Sqrt(second), factors.InverseRoot, factors.Epsilon);
        return MathF.FusedMultiplyAdd(factors.Keep, w, move);
    }

    private static float Gradient(in OptimizerStep step, float w, float gradientSum)
    {
        var mean = gradientSum * (float)((double)step.GradientScale / step.Rows);
        if (step.IsPlain)
        {
            return mean;
        }

        var clipped = MathF.Min(MathF.Max(mean, -step.ClipValue), step.ClipValue);
        var sign = w > 0 ? 1 : w < 0 ? -1 : 0;
        return MathF.FusedMultiplyAdd(step.L1, sign, MathF.FusedMultiplyAdd(step.WeightDecay, w, clipped));
    }

    private static float Flush(float state) => MathF.Abs(state) < SmallestNormal ? 0 : state;
}
