using DistributedTrainer.Engine.Extensions;
using DistributedTrainer.Engine.Losses;

/// <summary>max(τ (t − z), (τ − 1) (t − z)): smallest where a share τ of the targets lies below z (Koenker, Bassett, 1978).</summary>
/// <param name="tau">τ, between 0 and 1.</param>
[ExtensionName("quantile")]
public sealed class QuantileLoss(float tau = 0.5f) : CustomLoss
{
    public float Tau { get; } = tau is > 0 and < 1 ? tau : throw new ArgumentException($"quantile: tau is {tau}, it must be between 0 and 1.");

    public override LossTargets Targets => LossTargets.Values;

    protected override float Row(ReadOnlySpan<float> z, int label, ReadOnlySpan<float> t, Span<float> dz)
    {
        var e = t[0] - z[0];
        dz[0] = e > 0 ? -Tau : 1 - Tau;
        return e > 0 ? Tau * e : (Tau - 1) * e;
    }
}
