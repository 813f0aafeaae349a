using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Optimizers;

/// <summary>
/// v ← α v − η g; w ← w + α v − η g. The weights are those of the looked-ahead point θ + α v, so that g is the gradient
/// there: θ moves by v. At constant η this is PyTorch's form. Source: Nesterov, 1983; Sutskever et al., 2013.
/// </summary>
/// <param name="alpha">α, from 0 to below 1. Default 0.9.</param>
/// <exception cref="ArgumentOutOfRangeException">A parameter is not in its range.</exception>
public sealed class Nesterov(float alpha = 0.9f) : Optimizer
{
    private readonly float _alpha = Factor(alpha, "nesterov", nameof(alpha));

    /// <inheritdoc/>
    public override int StateVectors => 1;

    /// <inheritdoc/>
    public override void Update(
        in OptimizerStep step, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, Span<float> state0, Span<float> state1, Span<float> updated) =>
        OptimizerKernel.Nesterov(step, _alpha, weights, gradientSum, state0, updated);
}
