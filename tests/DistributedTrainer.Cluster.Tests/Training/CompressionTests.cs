using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>What is rounded is the same bits wherever it is rounded, and whether it travels or not.</summary>
public sealed class CompressionTests
{
    private static readonly string[] Compressions = ["float16", "bfloat16", "int8", "{ top-k: 0.05 }"];

    // 9,400 parameters: three partitions. The last batch of an epoch has 2 rows, fewer than there are shards.
    private static readonly TestExperiment Experiment = new()
    {
        Layers = ["linear: 64", "batch-norm", "relu", "linear: 128", "relu", "linear: 3"],
        Optimizer = "{ kind: adam, learning-rate: 0.01, weight-decay: 0.001 }",
        Partitions = 3,
    };

    public static TheoryData<string, int, int, int, string> Clusters()
    {
        var all = new TheoryData<string, int, int, int, string>();
        foreach (var compression in Compressions)
        {
            all.Add(compression, 1, 1, 1, "auto");
            all.Add(compression, 2, 3, 1, "tcp");
            all.Add(compression, 1, 3, 3, "tcp");
            all.Add(compression, 4, 2, 2, "tcp");
            all.Add(compression, 3, 3, 2, "shared-memory");
            all.Add(compression, 2, 3, 3, "unix");
            all.Add(compression, 5, 3, 1, "in-process");
        }

        return all;
    }

    [Theory]
    [MemberData(nameof(Clusters))]
    public void A_training_has_the_same_bits_in_a_cluster_of_any_form(string compression, int workers, int partitions, int servers, string transport)
    {
        var plan = With(compression, Experiment with { Partitions = partitions, Transport = transport });
        using var cluster = new MiniCluster(plan, servers).With(workers);
        var expected = ReferenceTrainer.Train(plan).Bits;
        Assert.Equal(expected, cluster.Run().Bits);
        Assert.NotEqual(expected, ReferenceTrainer.Train(With("none", Experiment)).Bits);
    }

    [Theory]
    [InlineData("int8", ", accumulate: 2", "{ kind: sgd, learning-rate: 0.05, clip-norm: 0.3 }")]
    [InlineData("float16", "", "{ kind: momentum, learning-rate: 0.05, clip-norm: 0.3 }")]
    [InlineData("{ top-k: 0.05 }", ", accumulate: 2", "{ kind: adamw, learning-rate: 0.01, weight-decay: 0.01, clip-norm: 1, clip-value: 0.1 }")]
    public void It_goes_with_what_else_is_done_to_gradients(string compression, string more, string optimizer)
    {
        var plan = With(compression, Experiment with { Layers = ["linear: 64", "relu", "linear: 128", "relu", "linear: 3"], Optimizer = optimizer, Transport = "tcp" }, more);
        using var cluster = new MiniCluster(plan, servers: 2).With(3);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
    }

    [Fact]
    public void Rates_that_follow_the_validation_are_those_of_all()
    {
        var experiment = new TestExperiment
        {
            Split = "{ validation: 0.2, test: 0.1 }",
            Optimizer = "{ kind: adam, learning-rate: 0.05, schedule: { kind: reduce-on-plateau, factor: 0.5, patience: 0 } }",
            Training = "{ epochs: 20, batch-size: 20, shards: 4, compression: int8 }",
        };
        using var apart = new MiniCluster((experiment with { Transport = "tcp", Partitions = 2 }).Plan(), servers: 1).With(3);
        using var alone = new MiniCluster(experiment.Plan()).With(1);
        Assert.Equal(alone.Run().Bits, apart.Run().Bits);
        Assert.Equal(alone.Rates, apart.Rates);
        Assert.True(alone.Rates.Distinct().Count() >= 3);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Shards_that_move_at_any_moment_change_no_bit(int seed)
    {
        // Whoever comes to a version without the one before it gets the optimizer's state with it, and updates from then on.
        var plan = With(seed % 2 == 0 ? "int8" : "bfloat16", Experiment with { Transport = "tcp" });
        using var cluster = new MiniCluster(plan, servers: 2).WithMovingShards(seed, most: 2);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.True(cluster.Generation >= 2);
    }

    [Theory]
    [InlineData("float16", 2.0)]
    [InlineData("bfloat16", 2.0)]
    [InlineData("int8", 4.0)]
    [InlineData("{ top-k: 0.01 }", 25.0)]
    public void A_step_takes_as_many_bytes_over_a_network_as_stated(string compression, double less)
    {
        // Two workers, of which one has three leaves of five and the other two: three nodes, and twice the sum of all.
        var experiment = Experiment with { Layers = ["linear: 256", "relu", "linear: 256", "relu", "linear: 3"], Transport = "tcp", Workers = 2 };
        var (plan, none) = (Long(compression), Long("none"));
        using var cluster = new MiniCluster(plan).With(2);
        cluster.Run();

        // The first version comes with the optimizer's state, once for each worker; the last batch of an epoch has fewer leaves.
        var state = 2 * 3 * sizeof(float) * (double)plan.Model.Layout.Length;
        var sent = cluster.Workers.Sum(static worker => worker.Loop.Costs.DataBytes) - state;
        Assert.InRange(sent / plan.TotalSteps, 0.85 * StepTraffic.Bytes(plan), 1.01 * StepTraffic.Bytes(plan));
        Assert.InRange((double)StepTraffic.Bytes(none) / StepTraffic.Bytes(plan), 0.5 * less, 1.1 * less);

        TrainingPlan Long(string kind) => (experiment with { Training = $"{{ epochs: 20, batch-size: 30, shards: 5, compression: {kind} }}" }).Plan();
    }

    private static TrainingPlan With(string compression, TestExperiment experiment, string more = "") =>
        (experiment with { Training = $"{{ epochs: 3, batch-size: 37, shards: 5, compression: {compression}{more} }}" }).Plan();
}
