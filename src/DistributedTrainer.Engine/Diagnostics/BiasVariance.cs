namespace DistributedTrainer.Engine.Diagnostics;

/// <summary>
/// The parts of a regression's expected squared error on new targets: error = bias² + variance + noise. With f the truth,
/// ŷ_d(x) the prediction of a model that was trained on the data set d and ȳ(x) its mean over data sets:
/// bias² = mean over x of (ȳ − f)², variance = mean over x and d of (ŷ_d − ȳ)², noise = variance of a target around f.
/// Only measurable where the truth is known: on synthetic data.
/// Source: Geman, Bienenstock, Doursat, "Neural networks and the bias/variance dilemma", 1992.
/// </summary>
/// <param name="SquaredBias">What even the mean model gets wrong: it falls as the model grows.</param>
/// <param name="Variance">How much the models of different data sets differ: it grows with the model.</param>
/// <param name="Noise">What no model can predict.</param>
public readonly record struct BiasVariance(double SquaredBias, double Variance, double Noise)
{
    /// <summary>The expected squared error on new targets.</summary>
    public double Error => SquaredBias + Variance + Noise;

    /// <summary>Measures the parts.</summary>
    /// <param name="predictions">One row a data set, one value a point (D, P), D at least 2.</param>
    /// <param name="truth">f at the points (P).</param>
    /// <param name="noiseVariance">Variance of a target around f, 0 or more.</param>
    /// <exception cref="ArgumentException">Fewer than two data sets, or lengths that differ.</exception>
    public static BiasVariance Of(IReadOnlyList<double[]> predictions, ReadOnlySpan<double> truth, double noiseVariance)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(noiseVariance);
        if (predictions.Count < 2 || truth.IsEmpty)
        {
            throw new ArgumentException($"bias and variance: {predictions.Count} data sets and {truth.Length} points were given; at least 2 data sets and one point are needed.", nameof(predictions));
        }

        var (bias, variance) = (0.0, 0.0);
        for (var point = 0; point < truth.Length; point++)
        {
            var mean = 0.0;
            foreach (var row in predictions)
            {
                mean += row.Length == truth.Length
                    ? row[point]
                    : throw new ArgumentException($"bias and variance: a data set has {row.Length} predictions for {truth.Length} points.", nameof(predictions));
            }

            mean /= predictions.Count;
            bias += (mean - truth[point]) * (mean - truth[point]);
            foreach (var row in predictions)
            {
                variance += (row[point] - mean) * (row[point] - mean);
            }
        }

        return new BiasVariance(bias / truth.Length, variance / (predictions.Count * (double)truth.Length), noiseVariance);
    }
}
