using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Optimizers;

/// <summary>
/// Adam with decoupled weight decay: w ← (1 − η λ₂) w − η m̂ / (√ŝ + ε), and λ₂ w is no part of g. L1 stays part of g.
/// Source: Loshchilov, Hutter, "Decoupled weight decay regularization", 2019.
/// </summary>
/// <param name="beta1">β₁, from 0 to below 1. Default 0.9.</param>
/// <param name="beta2">β₂, from 0 to below 1. Default 0.999.</param>
/// <param name="epsilon">ε, above 0. Default 1e-8.</param>
/// <exception cref="ArgumentOutOfRangeException">A parameter is not in its range.</exception>
public sealed class AdamW(float beta1 = 0.9f, float beta2 = 0.999f, float epsilon = 1e-8f) : Optimizer
{
    private readonly float _beta1 = Factor(beta1, "adamw", nameof(beta1));
    private readonly float _beta2 = Factor(beta2, "adamw", nameof(beta2));
    private readonly float _epsilon = Positive(epsilon, "adamw", nameof(epsilon));

    /// <inheritdoc/>
    public override int StateVectors => 2;

    /// <inheritdoc/>
    public override void Update(
        in OptimizerStep step, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, Span<float> state0, Span<float> state1, Span<float> updated) =>
        OptimizerKernel.Adam(
            step with { WeightDecay = 0 },
            Adam.Factors(step, 1 - (step.LearningRate * step.WeightDecay), _beta1, _beta2, _epsilon),
            weights,
            gradientSum,
            state0,
            state1,
            updated);
}
