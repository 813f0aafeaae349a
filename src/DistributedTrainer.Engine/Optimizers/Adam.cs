using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Optimizers;

/// <summary>
/// m ← β₁ m + (1−β₁) g; s ← β₂ s + (1−β₂) g²; w ← w − η m̂ / (√ŝ + ε), m̂ = m / (1−β₁ᵗ), ŝ = s / (1−β₂ᵗ).
/// Source: Kingma, Ba, "Adam", 2015.
/// </summary>
/// <param name="beta1">β₁. Default 0.9.</param>
/// <param name="beta2">β₂. Default 0.999.</param>
/// <param name="epsilon">ε. Default 1e-8.</param>
public sealed class Adam(float beta1 = 0.9f, float beta2 = 0.999f, float epsilon = 1e-8f) : Optimizer
{
    /// <inheritdoc/>
    public override int StateVectors => 2;

    /// <inheritdoc/>
    public override void Update(
        long step, float learningRate, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, long count, float weightDecay, Span<float> state0, Span<float> state1, Span<float> updated)
    {
        var correction1 = 1 - PortableMath.Power(beta1, step + 1);
        var correction2 = 1 - PortableMath.Power(beta2, step + 1);
        OptimizerKernel.Adam(
            weights,
            gradientSum,
            count,
            weightDecay,
            (float)(learningRate / correction1),
            (float)(1 / Math.Sqrt(correction2)),
            beta1,
            beta2,
            epsilon,
            state0,
            state1,
            updated);
    }
}
