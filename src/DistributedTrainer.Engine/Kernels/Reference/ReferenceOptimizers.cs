namespace DistributedTrainer.Engine.Kernels.Reference;

/// <summary>
/// One weight at a time: what <see cref="OptimizerKernel"/> must give, bit for bit. In all of them
/// g = gradientSum / count + decay · w, and state below the smallest normal number becomes 0.
/// </summary>
internal static class ReferenceOptimizers
{
    private const float SmallestNormal = 1.17549435e-38f;

    /// <summary>w ← w − η g.</summary>
    public static float Sgd(float w, float gradientSum, long count, float decay, float rate) =>
        MathF.FusedMultiplyAdd(-rate, Gradient(w, gradientSum, count, decay), w);

    /// <summary>v ← α v − η g; w ← w + v.</summary>
    public static float Momentum(float w, float gradientSum, long count, float decay, float rate, float momentum, ref float velocity)
    {
        velocity = Flush(MathF.FusedMultiplyAdd(momentum, velocity, -rate * Gradient(w, gradientSum, count, decay)));
        return w + velocity;
    }

    /// <summary>m ← β₁ m + (1−β₁) g; s ← β₂ s + (1−β₂) g²; w ← w − rate · m / (√s · inverseRoot + ε).</summary>
    public static float Adam(
        float w,
        float gradientSum,
        long count,
        float decay,
        float rate,
        float inverseRoot,
        float beta1,
        float beta2,
        float epsilon,
        ref float first,
        ref float second)
    {
        var g = Gradient(w, gradientSum, count, decay);
        first = Flush(MathF.FusedMultiplyAdd(beta1, first - g, g));
        second = Flush(MathF.FusedMultiplyAdd(beta2, second - (g * g), g * g));
        return w + (-rate * first / MathF.FusedMultiplyAdd(MathF.Sqrt(second), inverseRoot, epsilon));
    }

    private static float Gradient(float w, float gradientSum, long count, float decay) =>
        MathF.FusedMultiplyAdd(decay, w, gradientSum / count);

    private static float Flush(float state) => MathF.Abs(state) < SmallestNormal ? 0 : state;
}
