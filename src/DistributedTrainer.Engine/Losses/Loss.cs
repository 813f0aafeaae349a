using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Losses;

/// <summary>What a loss compares the outputs with.</summary>
public enum LossTargets
{
    /// <summary>A class number a row.</summary>
    Classes,

    /// <summary>A number for each output.</summary>
    Values,
}

/// <summary>
/// What is minimised: a loss of each row, and the gradient of their sum. Sums, not means, so that leaves add up; the
/// optimizer divides by the rows of the global batch. B rows, C outputs.
/// </summary>
public abstract class Loss
{
    /// <summary>The name in experiments.</summary>
    public abstract string Name { get; }

    /// <summary>Whether targets are class numbers or values.</summary>
    public abstract LossTargets Targets { get; }

    /// <summary>What loss and gradient of a row are multiplied by, for each class; empty: nothing. Set before the loss is used.</summary>
    public IReadOnlyList<float> ClassWeights { get; set; } = [];

    /// <summary>
    /// How many outputs the model needs: for this number of classes, or of target columns where targets are values.
    /// Null: the loss cannot have so many.
    /// </summary>
    public abstract int? OutputsFor(int targets);

    /// <summary>The class that the scores of one row (C) speak for.</summary>
    /// <exception cref="InvalidOperationException">Targets are values, which have no classes.</exception>
    public virtual int Predict(ReadOnlySpan<float> scores) => Targets == LossTargets.Classes
        ? SoftmaxKernel.ArgMax(scores)
        : throw new InvalidOperationException($"{Name}: its targets are values, so its outputs speak for no class.");

    /// <summary>Computes losses and the gradient of their sum (not divided by B).</summary>
    /// <param name="z">Outputs (B,C).</param>
    /// <param name="labels">Classes (B), read where targets are classes.</param>
    /// <param name="targets">Targets (B,C), read where they are values.</param>
    /// <param name="dz">Gradient (B,C), overwritten.</param>
    /// <param name="losses">Loss of each row (B), overwritten.</param>
    /// <exception cref="ArgumentException">The lengths do not fit, or a label is no class.</exception>
    public void Compute(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses)
    {
        var rows = losses.Length;
        var outputs = rows == 0 ? 0 : z.Length / rows;
        if (z.Length != rows * outputs || dz.Length != z.Length)
        {
            throw new ArgumentException($"{Name}: {z.Length} outputs and {dz.Length} gradients do not fit {rows} rows. Both must be rows · outputs.");
        }

        if (Targets == LossTargets.Values)
        {
            if (targets.Length != z.Length)
            {
                throw new ArgumentException($"{Name}: there are {targets.Length} targets for {z.Length} outputs. Each output needs one.");
            }
        }
        else
        {
            CheckLabels(labels, rows, outputs);
        }

        ComputeRows(z, labels, targets, dz, losses);
        if (ClassWeights.Count > 0 && Targets == LossTargets.Classes)
        {
            Weigh(labels, outputs, dz, losses);
        }
    }

    private void Weigh(ReadOnlySpan<int> labels, int outputs, Span<float> dz, Span<float> losses)
    {
        for (var row = 0; row < losses.Length; row++)
        {
            var weight = ClassWeights[labels[row]];
            losses[row] *= weight;
            foreach (ref var gradient in dz.Slice(row * outputs, outputs))
            {
                gradient *= weight;
            }
        }
    }

    /// <summary>The same, with lengths and labels that are right.</summary>
    private protected abstract void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses);

    private void CheckLabels(ReadOnlySpan<int> labels, int rows, int outputs)
    {
        if (labels.Length != rows)
        {
            throw new ArgumentException($"{Name}: there are {labels.Length} labels for {rows} rows. Each row needs one.");
        }

        // A loss for two classes has one output; more than one would belong to no class.
        var classes = OutputsFor(2) == 1 ? 2 : outputs;
        if (rows > 0 && OutputsFor(classes) != outputs)
        {
            throw new ArgumentException($"{Name}: the model has {outputs} outputs, it needs {OutputsFor(classes)?.ToString() ?? "at least 2"}. Change the last layer.");
        }

        var wrong = labels.IndexOfAnyExceptInRange(0, classes - 1);
        if (wrong >= 0)
        {
            throw new ArgumentException($"{Name}: the label of row {wrong} is {labels[wrong]}, it must be from 0 to {classes - 1}.");
        }
    }
}

/// <summary>A loss with one score for each class, at least two. The highest score wins, the first of equals.</summary>
public abstract class MultiClassLoss : Loss
{
    /// <inheritdoc/>
    public override LossTargets Targets => LossTargets.Classes;

    /// <inheritdoc/>
    public override int? OutputsFor(int targets) => targets >= 2 ? targets : null;
}

/// <summary>
/// A loss with one score z for two classes: class 0 is t = −1, class 1 is t = +1, and z &gt; 0 speaks for class 1.
/// </summary>
public abstract class TwoClassLoss : Loss
{
    /// <inheritdoc/>
    public override LossTargets Targets => LossTargets.Classes;

    /// <inheritdoc/>
    public override int? OutputsFor(int targets) => targets == 2 ? 1 : null;

    /// <inheritdoc/>
    public override int Predict(ReadOnlySpan<float> scores) => scores[0] > 0 ? 1 : 0;
}

/// <summary>A loss that compares each output with a number; a row's loss is the mean over its outputs.</summary>
public abstract class RegressionLoss : Loss
{
    /// <inheritdoc/>
    public override LossTargets Targets => LossTargets.Values;

    /// <inheritdoc/>
    public override int? OutputsFor(int targets) => targets >= 1 ? targets : null;
}
