using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Optimizers;

/// <summary>
/// s ← s + g²; w ← w − η g / (√s + ε). A square below the smallest normal number counts as 0 (|g| below 1e-19).
/// Source: Duchi, Hazan, Singer, 2011.
/// </summary>
/// <param name="epsilon">ε, above 0. Default 1e-10.</param>
/// <exception cref="ArgumentOutOfRangeException">A parameter is not in its range.</exception>
public sealed class AdaGrad(float epsilon = 1e-10f) : Optimizer
{
    private readonly float _epsilon = Positive(epsilon, "adagrad", nameof(epsilon));

    /// <inheritdoc/>
    public override int StateVectors => 1;

    /// <inheritdoc/>
    public override void Update(
        in OptimizerStep step, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, Span<float> state0, Span<float> state1, Span<float> updated) =>
        OptimizerKernel.AdaGrad(step, _epsilon, weights, gradientSum, state0, updated);
}
