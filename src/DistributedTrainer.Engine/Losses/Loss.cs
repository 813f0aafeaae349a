using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Losses;

/// <summary>A loss of each row and the gradient of their sum. B rows, C outputs.</summary>
public abstract class Loss
{
    /// <summary>The name in experiments.</summary>
    public abstract string Name { get; }

    /// <summary>Whether targets are classes.</summary>
    public abstract bool IsClassification { get; }

    /// <summary>Computes losses and the gradient of their sum (not divided by B).</summary>
    /// <param name="z">Outputs (B,C).</param>
    /// <param name="labels">Classes (B), for classification.</param>
    /// <param name="targets">Targets (B,C), for regression.</param>
    /// <param name="dz">Gradient (B,C), overwritten.</param>
    /// <param name="losses">Loss of each row (B), overwritten.</param>
    public abstract void Compute(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses);
}

/// <summary>−log softmax(z)_t, dz = softmax(z) − onehot(t).</summary>
public sealed class CrossEntropyLoss : Loss
{
    /// <inheritdoc/>
    public override string Name => "cross-entropy";

    /// <inheritdoc/>
    public override bool IsClassification => true;

    /// <inheritdoc/>
    public override void Compute(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses) =>
        SoftmaxKernel.CrossEntropy(z, labels, dz, losses);
}

/// <summary>Mean over the outputs of (z − t)², dz = 2 (z − t) / C.</summary>
public sealed class MeanSquaredErrorLoss : Loss
{
    /// <inheritdoc/>
    public override string Name => "mean-squared-error";

    /// <inheritdoc/>
    public override bool IsClassification => false;

    /// <inheritdoc/>
    public override void Compute(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses)
    {
        var outputs = losses.Length == 0 ? 0 : z.Length / losses.Length;
        for (var row = 0; row < losses.Length; row++)
        {
            var sum = 0.0;
            for (var i = row * outputs; i < (row + 1) * outputs; i++)
            {
                var error = z[i] - targets[i];
                dz[i] = 2 * error / outputs;
                sum += (double)error * error;
            }

            losses[row] = (float)(sum / outputs);
        }
    }
}
