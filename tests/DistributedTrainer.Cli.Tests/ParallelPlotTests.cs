using DistributedTrainer.Cli.Tuning;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tests;

/// <summary>Where values lie on the axes of parallel coordinates.</summary>
public sealed class ParallelPlotTests
{
    [Theory]
    [InlineData(RangeScale.Log, "0.001", 0)]
    [InlineData(RangeScale.Log, "0.01", 0.5)]
    [InlineData(RangeScale.Log, "0.1", 1)]
    [InlineData(RangeScale.Linear, "0.0505", 0.5)]
    public void A_number_lies_on_the_scale_of_its_range(RangeScale scale, string value, double expected)
    {
        var axis = ParallelPlot.AxisOf(new NumberRange("optimizer.learning-rate", 0.001, 0.1, scale));
        Assert.Equal(expected, axis.At(value), 9);
        Assert.Equal(("optimizer.learning-rate", "0.001", "0.1"), (axis.Name, axis.Labels[0].Label, axis.Labels[1].Label));
    }

    [Fact]
    public void Choices_lie_evenly_in_the_order_of_the_file()
    {
        var axis = ParallelPlot.AxisOf(new ChoiceRange("optimizer.kind", ["adam", "sgd", "{kind: momentum, momentum: 0.5}"]));
        Assert.Equal([0, 0.5, 1], ((string[])["adam", "sgd", "{kind: momentum, momentum: 0.5}"]).Select(axis.At));
        Assert.Equal((1, "{kind: momentum, mo…"), axis.Labels[2]);
        Assert.Equal(0.5, ParallelPlot.AxisOf(new ChoiceRange("seed", ["3"])).At("3"));
    }

    [Theory]
    [InlineData(new[] { 1.0, 2, 3 }, "2", 0.5)]
    [InlineData(new[] { 0.1, 10, 1 }, "1", 0.5)]
    [InlineData(new[] { 0.7, 0.7 }, "0.7", 0.5)]
    [InlineData(new[] { 0.0, 50 }, "25", 0.5)]
    public void The_metric_goes_from_its_smallest_to_its_largest_value_by_ratios_where_they_are_far_apart(double[] values, string value, double expected) =>
        Assert.Equal(expected, ParallelPlot.AxisOf(EarlyStoppingMetric.ValidationLoss, values).At(value), 9);
}
