using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>Shards that take steps by themselves come to the same bits wherever they are computed, and whoever dies.</summary>
public sealed class LocalStepsTests
{
    private static readonly string[] Ways = ["in-process", "unix", "shared-memory", "tcp"];

    // 9,400 parameters: three partitions. Five steps an epoch, so that each ends with a shorter round; its last batch has 2 rows,
    // fewer than there are shards.
    private static readonly TestExperiment Experiment = new()
    {
        Layers = ["linear: 64", "relu", "dropout: 0.2", "linear: 128", "layer-norm", "tanh", "linear: 3"],
        Data = ", augment: [ noise: 0.05 ]",
        Optimizer = "{ kind: adam, learning-rate: 0.01, weight-decay: 0.001, clip-norm: 0.5, schedule: { kind: cosine } }",
        Training = "{ epochs: 3, batch-size: 37, shards: 5, local-steps: 3 }",
        Partitions = 3,
    };

    [Theory]
    [InlineData(1, 1, 1, "auto")]
    [InlineData(2, 3, 1, "tcp")]
    [InlineData(1, 3, 3, "unix")]
    [InlineData(3, 2, 2, "shared-memory")]
    [InlineData(4, 3, 2, "in-process")]
    [InlineData(3, 3, 3, "tcp")]
    [InlineData(5, 1, 1, "shared-memory")]
    public void A_training_has_the_same_bits_in_a_cluster_of_any_form(int workers, int partitions, int servers, string transport)
    {
        var plan = (Experiment with { Partitions = partitions, Transport = transport }).Plan();
        using var cluster = new MiniCluster(plan, servers).With(workers);
        var expected = ReferenceTrainer.Train(plan).Bits;
        Assert.Equal(expected, cluster.Run().Bits);
        Assert.NotEqual(expected, ReferenceTrainer.Train((Experiment with { Training = "{ epochs: 3, batch-size: 37, shards: 5 }" }).Plan()).Bits);
    }

    [Theory]
    [InlineData("{ kind: sgd, learning-rate: 0.05, clip-value: 0.01, l1: 0.001 }", "{ epochs: 2, batch-size: 20, shards: 3, local-steps: 4 }")]
    [InlineData("{ kind: momentum, learning-rate: 0.02, decay-biases: true, weight-decay: 0.01 }", "{ epochs: 2, batch-size: 20, shards: 4, local-steps: 100, last-batch: drop }")]
    [InlineData("{ kind: rmsprop, learning-rate: 0.002 }", "{ steps: 9, batch-size: 16, shards: 2, local-steps: 2 }")]
    [InlineData("{ kind: adamw, learning-rate: 0.002, weight-decay: 0.01 }", "{ epochs: 4, batch-size: 10, accumulate: 3, shards: 6, local-steps: 2 }")]
    public void It_goes_with_what_else_makes_a_step(string optimizer, string training)
    {
        var plan = (Experiment with { Optimizer = optimizer, Training = training }).Plan();
        using var cluster = new MiniCluster(plan, servers: 2).With(2);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
    }
}
