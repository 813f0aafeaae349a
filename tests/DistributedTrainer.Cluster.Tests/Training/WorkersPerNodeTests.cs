using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>Threads that share a node's parameters and divide its leaves reach the bits of a training in one thread.</summary>
public sealed class WorkersPerNodeTests
{
    // 150 rows in batches of 37: an uneven last batch with empty leaves. 9,400 parameters: three partitions.
    private static readonly TestExperiment Full = new()
    {
        Layers = ["linear: 64", "batch-norm", "relu", "dropout: 0.2", "linear: 128", "batch-norm: { sync: false }", "tanh", "linear: 3"],
        Training = "{ epochs: 3, batch-size: 37, shards: 5, last-batch: drop }",
        Split = "{ validation: 0.1, test: 0.1 }",
        Optimizer = "{ kind: adam, learning-rate: 0.01, weight-decay: 0.001 }",
        Partitions = 3,
    };

    // Without batch norm, which the other modes do not take.
    private static readonly TestExperiment Plain = Full with { Layers = ["linear: 64", "relu", "dropout: 0.2", "linear: 128", "tanh", "linear: 3"] };

    [Theory]
    [InlineData("auto", "never", 2)]
    [InlineData("auto", "never", 3)]
    [InlineData("auto", "never", 64)]
    [InlineData("tcp", "always", 2)]
    [InlineData("shared-memory", "always", 3)]
    [InlineData("unix", "never", 2, 1)]
    [InlineData("tcp", "always", 2, 1)]
    [InlineData("tcp", "always", 3, 2)]
    [InlineData("auto", "never", 2, 3, 1)]
    public void The_number_of_threads_of_each_node_changes_no_bit(string transport, string overlap, params int[] threads)
    {
        var plan = (Full with { Transport = transport, Overlap = overlap }).Plan();
        using var cluster = new MiniCluster(plan, servers: 2) { Threads = number => threads[number] }.With(threads.Length);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        using var single = new MiniCluster(plan).With(1);
        single.Run();
        Assert.Equal(single.Evaluations, cluster.Evaluations);
        Assert.Equal(single.Units, cluster.Units);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(8)]
    public void Shards_that_move_at_any_moment_change_no_bit(int seed)
    {
        var plan = (Full with { Transport = seed % 2 == 0 ? "in-process" : "tcp", Overlap = seed > 6 ? "always" : "never" }).Plan();
        using var cluster = new MiniCluster(plan, servers: 2) { Threads = static number => number + 1 }.WithMovingShards(seed, most: 3);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.True(cluster.Generation >= 2);
    }

    [Fact]
    public void A_node_of_several_threads_that_dies_with_its_connections_is_replaced_without_a_trace()
    {
        var plan = (Full with { Transport = "unix" }).Plan();
        MiniCluster cluster = null!;
        MiniCluster.Worker dies = null!, stays = null!;
        cluster = new MiniCluster(plan)
        {
            Threads = static _ => 2,
            StepApplied = step =>
            {
                if (step == 4)
                {
                    dies.Loop.Dispose();
                    cluster.Assign((stays, [0, 1, 2, 3, 4]));
                }
            },
        };
        using (cluster)
        {
            (dies, stays) = (cluster.Add("dies"), cluster.Add("stays"));
            cluster.LinkLost = static (_, _) => { };
            cluster.Do(() => cluster.Assign((dies, [0, 1, 2]), (stays, [3, 4])));
            Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        }
    }

    [Theory]
    [InlineData("accumulate: 3")]
    [InlineData("local-steps: 3")]
    [InlineData("compression: int8")]
    [InlineData("compression: { top-k: 0.1 }")]
    [InlineData("non-finite: skip")]
    public void What_else_is_asked_for_gives_the_same_bits_too(string option)
    {
        var plan = (Plain with { Training = $"{{ epochs: 3, batch-size: 24, shards: 5, {option} }}" }).Plan();
        Assert.Equal(Train(plan, 1).Bits, Train(plan, 3).Bits);
        Assert.Equal(Train(plan, 1).Bits, Train(plan, 1, 2).Bits);
    }

    private static TrainedModel Train(TrainingPlan plan, params int[] threads)
    {
        using var cluster = new MiniCluster(plan) { Threads = number => threads[number] }.With(threads.Length);
        return cluster.Run();
    }
}
