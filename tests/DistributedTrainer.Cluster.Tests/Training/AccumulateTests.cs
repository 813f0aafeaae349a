using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>Accumulated batches are a larger batch, computed piece by piece.</summary>
public sealed class AccumulateTests
{
    private static readonly TestExperiment Experiment = new()
    {
        Layers = ["linear: 64", "batch-norm: { sync: false }", "relu", "dropout: 0.2", "linear: 128", "tanh", "linear: 3"],
        Data = ", augment: [ noise: 0.05 ]",
        Optimizer = "{ kind: adam, learning-rate: 0.01, weight-decay: 0.001 }",
        Partitions = 2,
    };

    [Theory]
    [InlineData(1, 10, 4, 6)]
    [InlineData(2, 10, 4, 6)]
    [InlineData(3, 18, 3, 5)]
    [InlineData(1, 16, 5, 2)]
    public void Batches_that_are_accumulated_give_the_bits_of_one_that_is_as_large(int workers, int batch, int accumulate, int shards)
    {
        var parts = (Experiment with { Training = $"{{ epochs: 3, batch-size: {batch}, accumulate: {accumulate}, shards: {shards} }}" }).Plan();
        var whole = (Experiment with { Training = $"{{ epochs: 3, batch-size: {batch * accumulate}, shards: {shards} }}" }).Plan();
        Assert.Equal(whole.TotalSteps, parts.TotalSteps);
        using var cluster = new MiniCluster(parts, servers: 2).With(workers);
        Assert.Equal(ReferenceTrainer.Train(whole).Bits, cluster.Run().Bits);
    }

    [Fact]
    public void Whoever_takes_over_computes_what_is_missing()
    {
        var plan = (Experiment with { Training = "{ epochs: 3, batch-size: 10, accumulate: 4, shards: 6 }" }).Plan();
        using var cluster = new MiniCluster(plan);
        var (first, second) = (cluster.Add("w0"), cluster.Add("w1"));
        cluster.StepApplied = step => cluster.Assign(step % 2 == 0 ? [(first, [0, 1, 2, 3, 4, 5])] : [(first, [4]), (second, [0, 1, 2, 3, 5])]);
        cluster.Do(() => cluster.Assign((first, [0, 2]), (second, [1, 3, 4, 5])));
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
    }

    [Fact]
    public void A_workers_memory_is_that_of_one_batch()
    {
        var digits = new TestExperiment { Source = "digits", Layers = ["linear: 32", "relu", "linear: 10"] };
        var one = (digits with { Training = "{ epochs: 1, batch-size: 300, shards: 6 }" }).Plan();
        var four = (digits with { Training = "{ epochs: 1, batch-size: 300, accumulate: 4, shards: 6 }" }).Plan();
        var large = (digits with { Training = "{ epochs: 1, batch-size: 1200, shards: 6 }" }).Plan();
        Assert.Equal((300, 1200), (four.PassRows, four.BatchSize));
        Assert.Equal(MemoryEstimate.Worker(one).Bytes, MemoryEstimate.Worker(four).Bytes);
        Assert.True(MemoryEstimate.Worker(four).Bytes < MemoryEstimate.Worker(large).Bytes);

        // A leaf is computed at once.
        var few = (digits with { Training = "{ epochs: 1, batch-size: 300, accumulate: 4, shards: 2 }" }).Plan();
        Assert.Equal(600, few.PassRows);
        Assert.Contains(PlanWarnings.Of(few), static warning => warning.StartsWith("training.accumulate: a leaf has 600 rows, more than the 300 of a batch", StringComparison.Ordinal));
        Assert.DoesNotContain(PlanWarnings.Of(four), static warning => warning.StartsWith("training.accumulate", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("{ epochs: 1, batch-size: 30, accumulate: 2, shards: 3 }", "batch-norm", "training.accumulate: batch-norm with sync: true needs all rows of a step at once")]
    [InlineData("{ epochs: 1, batch-size: 30, accumulate: 6, shards: 3, last-batch: drop }", "relu", "training.accumulate: 6 batches of 30 rows are more than the 150 training rows. Use fewer, or write training.last-batch: keep.")]
    [InlineData("{ epochs: 1, batch-size: 1000000, accumulate: 1000000, shards: 3 }", "relu", "training.accumulate: 1000000 batches of 1000000 rows are more than the 150 training rows. Use fewer.")]
    public void What_cannot_be_accumulated_is_refused(string training, string layer, string expected)
    {
        var problems = new List<string>();
        Assert.Null(new TestExperiment { Layers = ["linear: 8", layer, "linear: 3"], Training = training }.TryPlan(problems));
        Assert.StartsWith(expected, Assert.Single(problems), StringComparison.Ordinal);
    }
}
