using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Optimizers;

/// <summary>s ← β s + (1−β) g²; w ← w − η g / (√s + ε). Source: Tieleman, Hinton, 2012.</summary>
/// <param name="decay">β, from 0 to below 1. Default 0.99.</param>
/// <param name="epsilon">ε, above 0. Default 1e-8.</param>
/// <exception cref="ArgumentOutOfRangeException">A parameter is not in its range.</exception>
public sealed class RmsProp(float decay = 0.99f, float epsilon = 1e-8f) : Optimizer
{
    private readonly float _decay = Factor(decay, "rmsprop", nameof(decay));
    private readonly float _epsilon = Positive(epsilon, "rmsprop", nameof(epsilon));

    /// <inheritdoc/>
    public override int StateVectors => 1;

    /// <inheritdoc/>
    public override void Update(
        in OptimizerStep step, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, Span<float> state0, Span<float> state1, Span<float> updated) =>
        OptimizerKernel.RmsProp(step, _decay, _epsilon, weights, gradientSum, state0, updated);
}
