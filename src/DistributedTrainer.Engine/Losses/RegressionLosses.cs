using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Losses;

/// <summary>Mean over the outputs of (z − t)², dz = 2 (z − t) / C.</summary>
public sealed class MeanSquaredErrorLoss : RegressionLoss
{
    /// <inheritdoc/>
    public override string Name => "mean-squared-error";

    private protected override void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses) =>
        LossKernel.MeanOverOutputs(default(SquaredFunction), z, targets, dz, losses);
}

/// <summary>Mean over the outputs of |z − t|, dz = sign(z − t) / C, 0 where they are equal.</summary>
public sealed class MeanAbsoluteErrorLoss : RegressionLoss
{
    /// <inheritdoc/>
    public override string Name => "mean-absolute-error";

    private protected override void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses) =>
        LossKernel.MeanOverOutputs(default(AbsoluteFunction), z, targets, dz, losses);
}

/// <summary>
/// Mean over the outputs of e² / 2 where |e| ≤ δ, else δ (|e| − δ / 2), e = z − t; dz is e held within ±δ, over C.
/// Source: Huber, 1964.
/// </summary>
public sealed class HuberLoss : RegressionLoss
{
    /// <summary>Huber's loss.</summary>
    /// <param name="delta">δ, above 0. Default 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">δ is not above 0, or not finite.</exception>
    public HuberLoss(float delta = 1)
    {
        if (!(delta > 0) || !float.IsFinite(delta))
        {
            throw new ArgumentOutOfRangeException(nameof(delta), $"huber: delta is {delta}, it must be above 0.");
        }

        Delta = delta;
    }

    /// <summary>δ.</summary>
    public float Delta { get; }

    /// <inheritdoc/>
    public override string Name => "huber";

    private protected override void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses) =>
        LossKernel.MeanOverOutputs(new HuberFunction(Delta), z, targets, dz, losses);
}
