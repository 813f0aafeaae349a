using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Tests.Diagnostics;

/// <summary>Polynomials of several degrees on data sets of the same noisy sine: the parts of the error and their sum.</summary>
public sealed class BiasVarianceTests
{
    private const double Deviation = 0.3;
    private const int DataSets = 300;
    private static readonly double[] Points = [.. Enumerable.Range(0, 25).Select(static i => i / 24.0)];
    private static readonly double[] Truth = [.. Points.Select(static x => PortableMath.Sin(2 * 3.14159265358979 * x))];

    [Fact]
    public void The_error_on_new_targets_is_the_sum_of_its_parts()
    {
        foreach (var degree in (int[])[1, 3, 8])
        {
            var predictions = Predictions(degree);
            var parts = BiasVariance.Of(predictions, Truth, Deviation * Deviation);
            var error = predictions.Select(static (row, set) => row.Select((value, i) => value - Target(set, i, fresh: true)).Average(static e => e * e)).Average();
            Assert.InRange(error / parts.Error, 0.97, 1.03);
        }
    }

    [Fact]
    public void Bias_falls_and_variance_grows_with_the_model()
    {
        var (small, middle, large) = (Parts(1), Parts(3), Parts(12));
        Assert.True(small.SquaredBias > 5 * middle.SquaredBias, $"{small} {middle}");
        Assert.True(large.Variance > 2 * middle.Variance && middle.Variance > small.Variance, $"{small} {middle} {large}");
        Assert.True(middle.Error < small.Error && middle.Error < large.Error, $"{small} {middle} {large}");

        // A linear model with p weights has the variance p σ² / n at its own points.
        Assert.InRange(large.Variance / (13 * Deviation * Deviation / Points.Length), 0.9, 1.1);
        Assert.InRange(small.Variance / (2 * Deviation * Deviation / Points.Length), 0.9, 1.1);
    }

    [Fact]
    public void Predictions_that_do_not_fit_are_refused()
    {
        Assert.Throws<ArgumentException>(static () => BiasVariance.Of([[1.0]], [1.0], 0));
        Assert.Throws<ArgumentException>(static () => BiasVariance.Of([[1.0], [1.0, 2.0]], [1.0], 0));
        Assert.Throws<ArgumentOutOfRangeException>(static () => BiasVariance.Of([[1.0], [2.0]], [1.0], -1));
        Assert.Equal(new BiasVariance(1, 0.25, 0.5), BiasVariance.Of([[1.5], [2.5]], [1.0], 0.5));
        Assert.Equal(1.75, new BiasVariance(1, 0.25, 0.5).Error);
    }

    private static BiasVariance Parts(int degree) => BiasVariance.Of(Predictions(degree), Truth, Deviation * Deviation);

    private static double[][] Predictions(int degree)
    {
        var features = LeastSquares.Powers(Points, degree);
        return [.. Enumerable.Range(0, DataSets).Select(set =>
        {
            var solution = LeastSquares.Fit(features, Points.Select((_, i) => Target(set, i, fresh: false)).ToArray(), Points.Length);
            return Points.Select((_, i) => solution.Predict(features.AsSpan(i * degree, degree))[0]).ToArray();
        })];
    }

    private static double Target(int set, int point, bool fresh) =>
        Truth[point] + (Deviation * new RandomStream(11, RandomPurpose.Sample, step: set, shard: fresh ? 1 : 0).Normal(point));
}
