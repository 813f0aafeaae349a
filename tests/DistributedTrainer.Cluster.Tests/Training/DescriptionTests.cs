using System.Text.Json;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>What workers tell of parameters and gradients, for a person to look at.</summary>
public sealed class DescriptionTests
{
    private static readonly TestExperiment Experiment = new() { Training = "{ epochs: 6, batch-size: 30, shards: 4 }" };

    [Fact]
    public void Versions_are_described_from_the_first_to_the_last_and_alike_for_any_number_of_workers()
    {
        var plan = Experiment.Plan();
        using var one = new MiniCluster(plan).With(1);
        one.Run();
        using var three = new MiniCluster(Experiment.Plan()).With(3);
        three.Run();
        Assert.Equal([0, 10, 20, 30], one.Descriptions.Keys.Order());
        Assert.Equal(Text(one), Text(three));
        Assert.All(one.Descriptions, description => Assert.Equal(description.Key < 30, description.Value[0].GradientNorm > 0));
        Assert.Equal(["0.weight", "0.bias", "2.weight", "2.bias"], one.Descriptions[0].Select(static tensor => tensor.Name));
        Assert.All(one.Descriptions[30], static tensor => Assert.Equal(tensor.Elements, tensor.Counts.Sum()));
    }

    [Fact]
    public void A_description_says_range_mean_norm_and_how_values_are_spread()
    {
        var plan = Experiment.Plan();
        var parameters = new float[plan.Model.Layout.Length];
        parameters[0] = -3;
        parameters[1] = 4;
        var weight = Cluster.Workers.ModelDescription.Of(plan.Model.Layout, slot => parameters.AsSpan(slot.Offset, slot.Shape.Elements))[0];
        Assert.Equal((32, -3.0, 4.0, 1.0 / 32, 5.0), (weight.Elements, weight.Low, weight.High, weight.Mean, weight.Norm));
        Assert.Equal((1, 30, 1), (weight.Counts[0], weight.Counts[10], weight.Counts[^1]));
    }

    [Theory]
    [InlineData(1, 5)]
    [InlineData(2, 10_000)]
    public void However_long_a_run_is_it_is_described_some_fifty_times(int stepsPerEpoch, int epochs)
    {
        var plan = (Experiment with { Training = $"{{ epochs: {epochs}, batch-size: {150 / stepsPerEpoch}, shards: 4 }}" }).Plan();
        Assert.InRange(Enumerable.Range(0, (int)plan.TotalSteps + 1).Count(version => plan.DescribesAt(version)), 2, 52);
    }

    private static string Text(MiniCluster cluster) => JsonSerializer.Serialize(cluster.Descriptions.OrderBy(static pair => pair.Key));
}
