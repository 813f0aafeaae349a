using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Losses;

/// <summary>
/// 1[t z ≤ 0] for one score, 1[argmax z ≠ t] for several: the share of mistakes. A metric only; its gradient is 0
/// wherever it has one. A single score of exactly 0 decides nothing and is a mistake for either class.
/// </summary>
public static class ZeroOne
{
    /// <summary>The name in experiments.</summary>
    public const string Name = "zero-one";

    /// <summary>Rows of z(B,C) that are mistakes.</summary>
    /// <param name="z">Scores (B,C): C = 1 for two classes, else one a class.</param>
    /// <param name="labels">Right classes (B).</param>
    public static long Mistakes(ReadOnlySpan<float> z, ReadOnlySpan<int> labels)
    {
        var outputs = labels.Length == 0 ? 0 : z.Length / labels.Length;
        var mistakes = 0L;
        for (var row = 0; row < labels.Length; row++)
        {
            // A NaN is a mistake too: neither comparison holds.
            var scores = z.Slice(row * outputs, outputs);
            var right = outputs == 1 ? (labels[row] == 1 ? scores[0] > 0 : scores[0] < 0) : SoftmaxKernel.ArgMax(scores) == labels[row];
            mistakes += right ? 0 : 1;
        }

        return mistakes;
    }
}
