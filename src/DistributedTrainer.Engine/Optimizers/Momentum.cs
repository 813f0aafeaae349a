using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Optimizers;

/// <summary>v ← α v − η g; w ← w + v. Source: Polyak, 1964.</summary>
/// <param name="alpha">α, from 0 to below 1. Default 0.9.</param>
/// <exception cref="ArgumentOutOfRangeException">A parameter is not in its range.</exception>
public sealed class Momentum(float alpha = 0.9f) : Optimizer
{
    private readonly float _alpha = Factor(alpha, "momentum", nameof(alpha));

    /// <inheritdoc/>
    public override int StateVectors => 1;

    /// <inheritdoc/>
    public override void Update(
        in OptimizerStep step, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, Span<float> state0, Span<float> state1, Span<float> updated) =>
        OptimizerKernel.Momentum(step, _alpha, weights, gradientSum, state0, updated);
}
