using DistributedTrainer.Engine.Extensions;

namespace DistributedTrainer.Engine.Losses;

/// <summary>
/// A loss of your own, as a class with its settings in the constructor and an <see cref="ExtensionNameAttribute"/>. It is computed row
/// by row, so that the result does not depend on how rows are spread; it has no state but its settings. Two with the same settings are equal.
/// <code>
/// // max(τ (t − z), (τ − 1) (t − z)): its minimum is the τ-quantile (Koenker, Bassett, 1978)
/// [ExtensionName("quantile")]
/// public sealed class QuantileLoss(float tau = 0.5f) : CustomLoss
/// {
///     public float Tau =&gt; tau;
///
///     public override LossTargets Targets =&gt; LossTargets.Values;
///
///     protected override float Row(ReadOnlySpan&lt;float&gt; z, int label, ReadOnlySpan&lt;float&gt; t, Span&lt;float&gt; dz)
///     {
///         var e = t[0] - z[0];
///         dz[0] = e &gt; 0 ? -tau : 1 - tau;
///         return e &gt; 0 ? tau * e : (tau - 1) * e;
///     }
/// }
/// </code>
/// </summary>
public abstract class CustomLoss : Loss
{
    /// <inheritdoc/>
    /// <exception cref="ArgumentException">It has no name, or its assembly cannot be used; says why.</exception>
    public sealed override string Name => ExtensionRegistry.KindOf(GetType()).Name;

    /// <summary>As many as there are targets: one a class, of which there must be two, or one a value.</summary>
    /// <inheritdoc/>
    public override int? OutputsFor(int targets) => targets >= (Targets == LossTargets.Classes ? 2 : 1) ? targets : null;

    /// <summary>Another one with the same settings.</summary>
    public CustomLoss Copy() => (CustomLoss)ExtensionRegistry.KindOf(GetType()).Create(parameter => parameter.Of(this));

    /// <inheritdoc/>
    public sealed override bool Equals(object? obj) =>
        obj is CustomLoss other && other.GetType() == GetType() && ExtensionRegistry.KindOf(GetType()).Parameters.All(parameter => Equals(parameter.Of(this), parameter.Of(other)));

    /// <inheritdoc/>
    public sealed override int GetHashCode() => GetType().GetHashCode();

    /// <summary>The loss of one row, and its gradient.</summary>
    /// <param name="z">Outputs (C).</param>
    /// <param name="label">The right class, where targets are classes; −1 otherwise.</param>
    /// <param name="t">Targets (C), where they are values; empty otherwise.</param>
    /// <param name="dz">Gradient by the outputs (C), to be written, all of it.</param>
    /// <returns>The loss, at least 0 as a rule; class weights are applied to it afterwards.</returns>
    protected abstract float Row(ReadOnlySpan<float> z, int label, ReadOnlySpan<float> t, Span<float> dz);

    private protected sealed override void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses)
    {
        var (outputs, hasClasses) = (losses.Length == 0 ? 0 : z.Length / losses.Length, Targets == LossTargets.Classes);
        for (var row = 0; row < losses.Length; row++)
        {
            var first = row * outputs;
            losses[row] = Row(z.Slice(first, outputs), hasClasses ? labels[row] : -1, hasClasses ? [] : targets.Slice(first, outputs), dz.Slice(first, outputs));
        }
    }
}
