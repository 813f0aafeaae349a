using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Optimizers;

/// <summary>w ← w − η g.</summary>
public sealed class Sgd : Optimizer
{
    /// <inheritdoc/>
    public override int StateVectors => 0;

    /// <inheritdoc/>
    public override void Update(
        long step, float learningRate, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, long count, float weightDecay, Span<float> state0, Span<float> state1, Span<float> updated) =>
        OptimizerKernel.Sgd(weights, gradientSum, count, weightDecay, learningRate, updated);
}
