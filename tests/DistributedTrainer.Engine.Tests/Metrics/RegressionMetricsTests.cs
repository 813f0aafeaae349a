using CsCheck;
using DistributedTrainer.Engine.Metrics;

namespace DistributedTrainer.Engine.Tests.Metrics;

/// <summary>Errors and explained variance, to 1e-12 of what a person computes; properties to 1e-6, the rounding of float32 inputs.</summary>
public sealed class RegressionMetricsTests
{
    [Fact]
    public void Errors_are_as_computed_by_hand()
    {
        // t = 3, −0.5, 2, 7 and y = 2.5, 0, 2, 8: e = −0.5, 0.5, 0, 1. Squares sum to 1.5, absolutes to 2.
        // Mean of t is 2.875, Σ (t − 2.875)² = 29.1875, so R² = 1 − 1.5 / 29.1875 = 0.948608137… (scikit-learn's example).
        var metrics = Of([3, -0.5f, 2, 7], [2.5f, 0, 2, 8]);
        Assert.Equal(0.375, metrics.MeanSquaredError, 1e-12);
        Assert.Equal(0.5, metrics.MeanAbsoluteError, 1e-12);
        Assert.Equal(0.9486081370449679, metrics.RSquared, 1e-12);
    }

    [Fact]
    public void Several_outputs_are_averaged()
    {
        // scikit-learn's example of r2_score with uniform_average: t (0.5,1), (−1,1), (7,−6); y (0,2), (−1,2), (8,−5).
        // Output 0: squares 1.25 of 36.1667; output 1: squares 3 of 32.6667. R² = (0.965438 + 0.908163) / 2.
        var metrics = new RegressionMetrics(2);
        metrics.Add([0.5f, 1], [0, 2]);
        metrics.Add([-1, 1], [-1, 2]);
        metrics.Add([7, -6], [8, -5]);
        Assert.Equal((1 - (1.25 / (217.0 / 6)) + 1 - (3 / (98.0 / 3))) / 2, metrics.RSquared, 1e-12);
        Assert.Equal(4.25 / 6, metrics.MeanSquaredError, 1e-12);
        Assert.Equal(4.5 / 6, metrics.MeanAbsoluteError, 1e-12);
    }

    [Fact]
    public void Targets_that_are_all_the_same_leave_nothing_to_explain()
    {
        Assert.Equal(1, Of([2, 2, 2], [2, 2, 2]).RSquared);
        Assert.Equal(0, Of([2, 2, 2], [2, 2, 1]).RSquared);
        Assert.Equal(1, Of([0.1f], [0.1f]).RSquared);
        Assert.Equal(0, Of([0.1f], [0.2f]).RSquared);
        var empty = new RegressionMetrics();
        Assert.Equal((0.0, 0.0, 0.0), (empty.MeanSquaredError, empty.MeanAbsoluteError, empty.RSquared));
    }

    [Fact]
    public void The_mean_explains_nothing_and_the_targets_everything() => Property.For(
        Targets,
        static targets =>
        {
            // Quarters of whole numbers, and a power of two of them: their mean is exact in float32.
            var mean = (float)targets.Average(static target => (double)target);
            var metrics = Of(targets, Array.ConvertAll(targets, _ => mean));
            Assert.Equal(0, metrics.RSquared, 1e-6);
            Assert.True(metrics.MeanAbsoluteError * metrics.MeanAbsoluteError <= metrics.MeanSquaredError + 1e-9);
            Assert.Equal(1, Of(targets, targets).RSquared);
            Assert.Equal(0, Of(targets, targets).MeanSquaredError);
        });

    [Fact]
    public void Shifting_both_changes_nothing() => Property.For(
        Targets,
        static targets =>
        {
            float[] predictions = [.. targets.Select(static (target, row) => target + (row % 3) - 1)];
            var (here, there) = (Of(targets, predictions), Of(Shifted(targets), Shifted(predictions)));
            Assert.Equal(here.MeanSquaredError, there.MeanSquaredError, 1e-9);
            Assert.Equal(here.MeanAbsoluteError, there.MeanAbsoluteError, 1e-9);
            Assert.Equal(here.RSquared, there.RSquared, 1e-6);

            static float[] Shifted(float[] values) => Array.ConvertAll(values, static value => value + 100_000);
        });

    [Fact]
    public void Mistakes_are_named_and_change_nothing()
    {
        var metrics = new RegressionMetrics(2);
        Assert.Contains("1 targets and 2 predictions", Assert.Throws<ArgumentException>(() => metrics.Add([1], [1, 2])).Message);
        Assert.Contains("output 1 of row 0", Assert.Throws<ArgumentException>(() => metrics.Add([1, 2], [1, float.NaN])).Message);
        Assert.Equal((0, 0.0), (metrics.Rows, metrics.MeanSquaredError));
        Assert.Throws<ArgumentOutOfRangeException>(() => new RegressionMetrics(0));
    }

    // At least two different values, so that there is a variance.
    private static Gen<float[]> Targets => Gen.Int[-400, 400].Array[15].Select(static values => (float[])[.. values.Select(static value => value / 4f), 300]);

    private static RegressionMetrics Of(float[] targets, float[] predictions)
    {
        var metrics = new RegressionMetrics();
        for (var row = 0; row < targets.Length; row++)
        {
            metrics.Add([targets[row]], [predictions[row]]);
        }

        return metrics;
    }
}
