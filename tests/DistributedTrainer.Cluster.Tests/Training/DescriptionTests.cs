using System.Text.Json;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>What workers and partitions tell of parameters and gradients, for a person to look at.</summary>
public sealed class DescriptionTests
{
    private static readonly TestExperiment Experiment = new() { Training = "{ epochs: 6, batch-size: 30, shards: 4 }" };

    // 9,400 parameters: three blocks, and the second weight lies in all of them.
    private static readonly TestExperiment Large = new()
    {
        Layers = ["linear: 64", "layer-norm", "relu", "linear: 128", "relu", "linear: 3"],
        Training = "{ epochs: 6, batch-size: 37, shards: 5, accumulate: 2 }",
        Optimizer = "{ kind: momentum, learning-rate: 0.05, clip-norm: 0.3, weight-decay: 0.001 }",
    };

    [Fact]
    public void Versions_are_described_from_the_first_to_the_last_and_alike_for_any_number_of_workers()
    {
        var plan = Experiment.Plan();
        using var one = new MiniCluster(plan).With(1);
        one.Run();
        using var three = new MiniCluster(Experiment.Plan()).With(3);
        three.Run();
        var lines = one.Descriptions();
        Assert.Equal([0, 10, 20, 30], lines.Select(static line => line.Step));
        Assert.Equal(Text(one), Text(three));
        Assert.All(lines, static line => Assert.All(line.Tensors, tensor => Assert.Equal(line.Step < 30, tensor.GradientNorm > 0)));
        Assert.Equal(["0.weight", "0.bias", "2.weight", "2.bias"], lines[0].Tensors.Select(static tensor => tensor.Name));
        Assert.All(lines[3].Tensors, static tensor => Assert.Equal(tensor.Elements, tensor.Counts.Sum()));
    }

    [Theory]
    [InlineData(1, 1, "none")]
    [InlineData(3, 1, "none")]
    [InlineData(3, 2, "none")]
    [InlineData(3, 3, "float16")]
    public void The_norms_are_those_of_the_whole_gradient_before_it_is_clipped_for_any_number_of_workers(int partitions, int servers, string compression)
    {
        var experiment = Large with { Partitions = partitions, Training = Large.Training.Replace(" }", $", compression: {compression} }}", StringComparison.Ordinal) };
        var plan = experiment.Plan();
        var expected = new Dictionary<long, double[]>();
        ReferenceTrainer.Train(plan, (step, gradient, rows) => expected.Add(step, [.. plan.Model.Layout.Slots.Select(slot => Norm(gradient.AsSpan(slot.Offset, slot.Shape.Elements)) / rows)]));
        var texts = new List<string>();
        foreach (var workers in new[] { 1, 2, 4 })
        {
            using var cluster = new MiniCluster(experiment.Plan(), servers).With(workers);
            cluster.Run();
            Assert.Equal([0, 12, 18], cluster.Descriptions().Select(static line => line.Step));
            texts.Add(Text(cluster));
            foreach (var line in cluster.Descriptions().SkipLast(1))
            {
                // Sums of the same squares in another order.
                Assert.All(line.Tensors.Index(), entry => Assert.Equal(1, entry.Item.GradientNorm!.Value / expected[line.Step][entry.Index], 1e-12));
            }
        }

        Assert.Single(texts.Distinct());
    }

    [Theory]
    [InlineData("local-steps: 2")]
    [InlineData("mode: async")]
    [InlineData("mode: stale, staleness: 1")]
    public void Where_nobody_has_the_gradient_of_a_step_no_norm_is_told(string mode)
    {
        using var cluster = new MiniCluster((Experiment with { Training = $"{{ epochs: 6, batch-size: 30, shards: 4, {mode} }}" }).Plan()).With(1);
        cluster.Run();
        Assert.Equal([0, 10, 20, 30], cluster.Descriptions().Select(static line => line.Step));
        Assert.All(cluster.Descriptions(), static line => Assert.All(line.Tensors, static tensor => Assert.Null(tensor.GradientNorm)));
    }

    [Fact]
    public void Partitions_measure_no_step_but_those_that_are_described()
    {
        var bench = new PartitionBench(Experiment.Plan());
        for (var step = 0; step < 30; step++)
        {
            bench.PushAll(step);
        }

        Assert.Equal([(0L, 30), (10L, 30), (20L, 30)], bench.Events.Measures.Select(static measured => (measured.Step, measured.Rows)));
        Assert.All(bench.Events.Measures, static measured => Assert.Equal(4, measured.Squares.Length));
    }

    [Fact]
    public void A_description_says_range_mean_norm_and_how_values_are_spread()
    {
        var plan = Experiment.Plan();
        var parameters = new float[plan.Model.Layout.Length];
        parameters[0] = -3;
        parameters[1] = 4;
        var weight = Cluster.Workers.ModelDescription.Of(plan, slot => parameters.AsSpan(slot.Offset, slot.Shape.Elements))[0];
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

    private static string Text(MiniCluster cluster) => JsonSerializer.Serialize(cluster.Descriptions());

    private static double Norm(ReadOnlySpan<float> values)
    {
        var sum = 0.0;
        foreach (var value in values)
        {
            sum += (double)value * value;
        }

        return Math.Sqrt(sum);
    }
}
