using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Optimizers;

/// <summary>w ← w − η g. Source: Robbins, Monro, 1951.</summary>
public sealed class Sgd : Optimizer
{
    /// <inheritdoc/>
    public override int StateVectors => 0;

    /// <inheritdoc/>
    public override void Update(
        in OptimizerStep step, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, Span<float> state0, Span<float> state1, Span<float> updated) =>
        OptimizerKernel.Sgd(step, weights, gradientSum, updated);
}
