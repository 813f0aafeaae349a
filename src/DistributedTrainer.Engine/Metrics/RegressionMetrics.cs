namespace DistributedTrainer.Engine.Metrics;

/// <summary>
/// How far predictions y are from targets t, in float64 in the order of the rows. With several outputs each measure is
/// the mean over the outputs.
/// <para>
/// R² of an output whose targets are all the same, where it would be a division by 0, is 1 if every prediction is exact
/// and 0 otherwise, as in scikit-learn. Without rows all measures are 0.
/// </para>
/// </summary>
public sealed class RegressionMetrics
{
    private readonly double[] _squares;
    private readonly double[] _absolutes;
    private readonly double[] _means;
    private readonly double[] _deviations;

    /// <summary>No rows yet.</summary>
    /// <param name="outputs">C, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">No outputs.</exception>
    public RegressionMetrics(int outputs = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        _squares = new double[outputs];
        _absolutes = new double[outputs];
        _means = new double[outputs];
        _deviations = new double[outputs];
    }

    /// <summary>Rows so far.</summary>
    public long Rows { get; private set; }

    /// <summary>Σ (y − t)² / rows.</summary>
    public double MeanSquaredError => Mean(static (metrics, output) => metrics._squares[output] / metrics.Rows);

    /// <summary>Σ |y − t| / rows.</summary>
    public double MeanAbsoluteError => Mean(static (metrics, output) => metrics._absolutes[output] / metrics.Rows);

    /// <summary>
    /// 1 − Σ (y − t)² / Σ (t − mean of t)²: the share of the targets' variance that is explained. 1 is perfect, 0 is what
    /// the mean gives, and worse than the mean is negative. Source: Draper, Smith, "Applied regression analysis", 1998.
    /// </summary>
    public double RSquared => Mean(static (metrics, output) => (metrics._squares[output], metrics._deviations[output]) switch
    {
        (0, _) => 1,
        (_, 0) => 0,
        var (squares, deviations) => 1 - (squares / deviations),
    });

    /// <summary>One more row.</summary>
    /// <param name="targets">t (C).</param>
    /// <param name="predictions">y (C).</param>
    /// <exception cref="ArgumentException">The lengths differ from the outputs, or a number is not finite.</exception>
    public void Add(ReadOnlySpan<float> targets, ReadOnlySpan<float> predictions)
    {
        if (targets.Length != _squares.Length || predictions.Length != _squares.Length)
        {
            throw new ArgumentException($"regression metrics: row {Rows} has {targets.Length} targets and {predictions.Length} predictions, both must be {_squares.Length}.");
        }

        for (var output = 0; output < targets.Length; output++)
        {
            if (!float.IsFinite(targets[output]) || !float.IsFinite(predictions[output]))
            {
                throw new ArgumentException($"regression metrics: output {output} of row {Rows} has target {targets[output]} and prediction {predictions[output]}; both must be finite.");
            }
        }

        Rows++;
        for (var output = 0; output < targets.Length; output++)
        {
            var error = (double)predictions[output] - targets[output];
            _squares[output] += error * error;
            _absolutes[output] += Math.Abs(error);

            // Welford, 1962: never a difference of two large sums.
            var delta = targets[output] - _means[output];
            _means[output] += delta / Rows;
            _deviations[output] += delta * (targets[output] - _means[output]);
        }
    }

    private double Mean(Func<RegressionMetrics, int, double> measure)
    {
        var sum = 0.0;
        for (var output = 0; Rows > 0 && output < _squares.Length; output++)
        {
            sum += measure(this, output);
        }

        return sum / _squares.Length;
    }
}
