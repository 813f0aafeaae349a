using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Losses;

/// <summary>Σ_{j≠t} max(0, z_j − z_t): dz_j = 1 for each class above the right one, dz_t = −(their number).</summary>
public sealed class MulticlassPerceptronLoss : MultiClassLoss
{
    /// <inheritdoc/>
    public override string Name => "multiclass-perceptron";

    private protected override void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses) =>
        LossKernel.Margins(z, labels, 0, dz, losses);
}

/// <summary>
/// Σ_{j≠t} max(0, 1 + z_j − z_t): dz_j = 1 for each class that is not below the right one by 1, dz_t = −(their number).
/// Source: Weston, Watkins, 1999.
/// </summary>
public sealed class MulticlassHingeLoss : MultiClassLoss
{
    /// <inheritdoc/>
    public override string Name => "multiclass-hinge";

    private protected override void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses) =>
        LossKernel.Margins(z, labels, 1, dz, losses);
}

/// <summary>−log p_t with p = softmax(z), dz = p − onehot(t). With label smoothing ε the target is (1 − ε) onehot(t) + ε / C.</summary>
public sealed class CrossEntropyLoss : MultiClassLoss
{
    /// <summary>Cross-entropy.</summary>
    /// <param name="labelSmoothing">ε, from 0 to below 1. Default 0. Source: Szegedy et al., 2016.</param>
    /// <exception cref="ArgumentOutOfRangeException">ε is not in that range.</exception>
    public CrossEntropyLoss(float labelSmoothing = 0)
    {
        if (labelSmoothing is not (>= 0 and < 1))
        {
            throw new ArgumentOutOfRangeException(nameof(labelSmoothing), $"cross-entropy: label-smoothing is {labelSmoothing}, it must be from 0 to below 1.");
        }

        LabelSmoothing = labelSmoothing;
    }

    /// <summary>ε, the label smoothing.</summary>
    public float LabelSmoothing { get; }

    /// <inheritdoc/>
    public override string Name => "cross-entropy";

    private protected override void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses) =>
        SoftmaxKernel.CrossEntropy(z, labels, dz, losses, LabelSmoothing);
}

/// <summary>
/// Σ q log(q / p) with p = softmax(z): H(q, p) − H(q), at least 0, and 0 where p = q; dz = p − q. Source: Kullback, Leibler, 1951.
/// </summary>
/// <param name="targets">Values: q(B,C) is given. Classes (the default): q is the one-hot row of the label, whose entropy is
/// 0, which makes it cross-entropy.</param>
public sealed class KlDivergenceLoss(LossTargets targets = LossTargets.Classes) : MultiClassLoss
{
    /// <inheritdoc/>
    public override string Name => "kl-divergence";

    /// <inheritdoc/>
    public override LossTargets Targets => targets;

    /// <inheritdoc/>
    public override int Predict(ReadOnlySpan<float> scores) => SoftmaxKernel.ArgMax(scores);

    private protected override void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses)
    {
        if (Targets == LossTargets.Classes)
        {
            SoftmaxKernel.CrossEntropy(z, labels, dz, losses);
        }
        else
        {
            SoftmaxKernel.KlDivergence(z, targets, dz, losses);
        }
    }
}
