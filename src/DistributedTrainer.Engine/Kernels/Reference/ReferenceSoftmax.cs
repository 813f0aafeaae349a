namespace DistributedTrainer.Engine.Kernels.Reference;

/// <summary>Softmax with cross-entropy in float64, straight from the definition. B rows, C classes.</summary>
internal static class ReferenceSoftmax
{
    /// <summary>dz = softmax(z) − onehot(label); losses = −log softmax(z)_label.</summary>
    public static void CrossEntropy(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, Span<double> dz, Span<double> losses)
    {
        for (var row = 0; row < labels.Length; row++)
        {
            var classes = z.Length / labels.Length;
            var scores = z.Slice(row * classes, classes);
            double maximum = scores[0];
            foreach (var score in scores)
            {
                maximum = Math.Max(maximum, score);
            }

            var sum = 0.0;
            foreach (var score in scores)
            {
                sum += Math.Exp(score - maximum);
            }

            losses[row] = Math.Log(sum) + maximum - scores[labels[row]];
            for (var c = 0; c < classes; c++)
            {
                dz[(row * classes) + c] = (Math.Exp(scores[c] - maximum) / sum) - (c == labels[row] ? 1 : 0);
            }
        }
    }
}
