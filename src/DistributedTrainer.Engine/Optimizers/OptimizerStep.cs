namespace DistributedTrainer.Engine.Optimizers;

/// <summary>
/// What one step tells the optimizer. From the gradient summed over rows it makes
/// g = clip(sum · (scale / rows)) + λ₂ w + λ₁ sign(w), with sign(0) = 0: clipped first, then regularised, as PyTorch does.
/// </summary>
/// <param name="Step">The step, from 0.</param>
/// <param name="LearningRate">η.</param>
/// <param name="Rows">Rows of the global batch, over which the gradient was summed.</param>
public readonly record struct OptimizerStep(long Step, float LearningRate, long Rows)
{
    /// <summary>λ₂ of the penalty λ₂/2 ‖w‖². Default 0.</summary>
    public float WeightDecay { get; init; }

    /// <summary>λ₁ of the penalty λ₁ ‖w‖₁. Default 0.</summary>
    public float L1 { get; init; }

    /// <summary>
    /// Whether L1 makes weights exactly 0. The subgradient above only makes them jump around it. With this, a weight at 0
    /// leaves it only where the gradient c without L1 is larger than λ₁, with g = c − λ₁ sign(c), and a weight whose sign
    /// the step would change stops at 0. Source: Andrew, Gao, "Scalable training of L1-regularized log-linear models",
    /// 2007. Default false.
    /// </summary>
    public bool L1Zeros { get; init; }

    /// <summary>Scale of the whole gradient, which clips its global norm: <see cref="GradientNorm.Scale"/>. Default 1.</summary>
    public float GradientScale { get; init; } = 1;

    /// <summary>Each element is held within ±this. Default ∞, which leaves all as they are.</summary>
    public float ClipValue { get; init; } = float.PositiveInfinity;

    /// <summary>Whether g is the scaled mean and nothing else: no clipping of elements, no penalty.</summary>
    internal bool IsPlain => WeightDecay == 0 && L1 == 0 && float.IsPositiveInfinity(ClipValue);
}
