using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Optimizers;

/// <summary>
/// m ← β₁ m + (1−β₁) g; s ← β₂ s + (1−β₂) g²; w ← w − η m̂ / (√ŝ + ε), m̂ = m / (1−β₁ᵗ), ŝ = s / (1−β₂ᵗ).
/// Source: Kingma, Ba, "Adam", 2015.
/// </summary>
/// <param name="beta1">β₁, from 0 to below 1. Default 0.9.</param>
/// <param name="beta2">β₂, from 0 to below 1. Default 0.999.</param>
/// <param name="epsilon">ε, above 0. Default 1e-8.</param>
/// <exception cref="ArgumentOutOfRangeException">A parameter is not in its range.</exception>
public sealed class Adam(float beta1 = 0.9f, float beta2 = 0.999f, float epsilon = 1e-8f) : Optimizer
{
    private readonly float _beta1 = Factor(beta1, "adam", nameof(beta1));
    private readonly float _beta2 = Factor(beta2, "adam", nameof(beta2));
    private readonly float _epsilon = Positive(epsilon, "adam", nameof(epsilon));

    /// <inheritdoc/>
    public override int StateVectors => 2;

    /// <inheritdoc/>
    public override void Update(
        in OptimizerStep step, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, Span<float> state0, Span<float> state1, Span<float> updated) =>
        OptimizerKernel.Adam(step, Factors(step, 1, _beta1, _beta2, _epsilon), weights, gradientSum, state0, state1, updated);

    // Both corrections of the bias in float64: 1 − β₂ᵗ of the first steps is small.
    internal static OptimizerKernel.AdamFactors Factors(in OptimizerStep step, float keep, float beta1, float beta2, float epsilon)
    {
        var correction1 = 1 - PortableMath.Power(beta1, step.Step + 1);
        var correction2 = 1 - PortableMath.Power(beta2, step.Step + 1);
        return new OptimizerKernel.AdamFactors(keep, (float)(step.LearningRate / correction1), (float)(1 / Math.Sqrt(correction2)), beta1, beta2, epsilon);
    }
}
