using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Losses;

// One score z a row, t = ±1. NaN scores give NaN losses in all of them; scores of any finite size give finite losses.

/// <summary>max(0, −t z), dz = −t where t z &lt; 0. A score of exactly 0 has no gradient. Source: Rosenblatt, 1958.</summary>
public sealed class PerceptronLoss : TwoClassLoss
{
    /// <inheritdoc/>
    public override string Name => "perceptron";

    private protected override void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses) =>
        LossKernel.TwoClasses(default(PerceptronFunction), z, labels, dz, losses);
}

/// <summary>max(0, 1 − t z), dz = −t where t z &lt; 1. Source: Cortes, Vapnik, 1995.</summary>
public sealed class HingeLoss : TwoClassLoss
{
    /// <inheritdoc/>
    public override string Name => "hinge";

    private protected override void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses) =>
        LossKernel.TwoClasses(default(HingeFunction), z, labels, dz, losses);
}

/// <summary>−log σ(t z) as log(1 + e^−tz), which never takes the logarithm of 0; dz = −t σ(−t z).</summary>
public sealed class LogisticLoss : TwoClassLoss
{
    /// <inheritdoc/>
    public override string Name => "logistic";

    private protected override void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses) =>
        LossKernel.TwoClasses(default(LogisticFunction), z, labels, dz, losses);
}

/// <summary>
/// −t log p − (1 − t) log(1 − p) with p = σ(z) and t the class number 0 or 1, dz = p − t. That is the logistic loss with
/// other names for the targets, and is computed as such: 1 − p and p − t would cancel where p is near t.
/// </summary>
public sealed class BinaryCrossEntropyLoss : TwoClassLoss
{
    /// <inheritdoc/>
    public override string Name => "binary-cross-entropy";

    private protected override void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses) =>
        LossKernel.TwoClasses(default(LogisticFunction), z, labels, dz, losses);
}
