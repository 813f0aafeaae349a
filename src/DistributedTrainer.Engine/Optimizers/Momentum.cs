using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Optimizers;

/// <summary>v ← α v − η g; w ← w + v. Source: Polyak, 1964.</summary>
/// <param name="alpha">α, from 0 to below 1. Default 0.9.</param>
public sealed class Momentum(float alpha = 0.9f) : Optimizer
{
    /// <inheritdoc/>
    public override int StateVectors => 1;

    /// <inheritdoc/>
    public override void Update(
        long step, float learningRate, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, long count, float weightDecay, Span<float> state0, Span<float> state1, Span<float> updated) =>
        OptimizerKernel.Momentum(weights, gradientSum, count, weightDecay, learningRate, alpha, state0, updated);
}
