using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>Shards that take steps by themselves come to the same bits wherever they are computed, and whoever dies.</summary>
public sealed class LocalStepsTests
{
    private static readonly string[] Ways = ["in-process", "unix", "shared-memory", "tcp"];

    // 9,540 parameters: three partitions. Five steps an epoch, so that each ends with a shorter round; its last batch has 2 rows,
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

    [Theory]
    [InlineData("{ kind: sgd, learning-rate: 0.05 }")]
    [InlineData("{ kind: momentum, learning-rate: 0.05, clip-norm: 0.3 }")]
    [InlineData("{ kind: adam, learning-rate: 0.01, weight-decay: 0.001 }")]
    public void One_shard_takes_the_steps_that_it_would_take_without(string optimizer)
    {
        var experiment = Experiment with { Optimizer = optimizer };
        var apart = (experiment with { Training = "{ epochs: 3, batch-size: 37, shards: 1, local-steps: 4 }" }).Plan();
        var together = (experiment with { Training = "{ epochs: 3, batch-size: 37, shards: 1 }" }).Plan();
        using var cluster = new MiniCluster(apart, servers: 2).With(1);
        Assert.Equal(ReferenceTrainer.Train(together).Parameters, cluster.Run().Parameters);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Shards_that_move_at_any_moment_change_no_bit(int seed)
    {
        var plan = (Experiment with { Transport = Ways[seed % Ways.Length] }).Plan();
        using var cluster = new MiniCluster(plan, servers: 2).WithMovingShards(seed, most: 3);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.True(cluster.Generation >= 2);
    }

    [Fact]
    public void Who_takes_over_in_the_middle_of_a_round_begins_where_all_did()
    {
        // The first worker's pushes of a round reach one partition only, and then it dies: the other partition still needs the
        // version before, with the state that belongs to it.
        var plan = (Experiment with { Transport = "tcp", Partitions = 2 }).Plan();
        using var cluster = new MiniCluster(plan, servers: 2);
        FrameProxy[] proxies = [];
        MiniCluster.Worker heir = null!;
        var died = 0;
        var dying = cluster.Add("dying", routes =>
        {
            (var through, proxies) = FrameProxy.Between(routes, (_, frame) =>
            {
                if (frame is not { Kind: FrameKind.Push, Step: 3, Partition: 1, Generation: 1 })
                {
                    return Fate.Pass;
                }

                Interlocked.Exchange(ref died, 1);
                return Fate.Drop;
            });
            return through;
        });
        heir = cluster.Add("heir");
        cluster.StepApplied = step =>
        {
            if (step == 4 && cluster.Generation == 1)
            {
                cluster.Assign((heir, [0, 1, 2, 3, 4]));
            }
        };
        cluster.Do(() => cluster.Assign((dying, [0, 1, 2, 3, 4])));
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.Equal((1, 2), (died, cluster.Generation));
        Array.ForEach(proxies, static proxy => proxy.Dispose());
    }

    [Fact]
    public void Evaluations_their_verdicts_and_the_best_version_are_those_of_all()
    {
        var experiment = new TestExperiment
        {
            Source = "wine",
            Split = "{ validation: 0.3, test: 0.2 }",
            Layers = ["linear: 64", "relu", "linear: 80", "relu", "linear: 3"],
            Optimizer = "{ kind: adam, learning-rate: 0.02, schedule: { kind: reduce-on-plateau, factor: 0.5, patience: 0 } }",
            Training = "{ epochs: 30, batch-size: 20, shards: 4, local-steps: 2, early-stopping: { patience: 4 } }",
        };
        using var alone = new MiniCluster(experiment.Plan()).With(1);
        using var apart = new MiniCluster((experiment with { Transport = "tcp", Partitions = 2 }).Plan(), servers: 2).With(3);
        Assert.Equal(alone.Run().Bits, apart.Run().Bits);
        Assert.Equal(alone.Rates, apart.Rates);
        Assert.True(alone.Rates.Distinct().Count() >= 3);
        Assert.Equal((alone.FinalVersion, alone.LastVersion), (apart.FinalVersion, apart.LastVersion));
        Assert.True(alone.FinalVersion < alone.LastVersion && alone.LastVersion < alone.Plan.TotalSteps);
        Assert.All(alone.Evaluations, evaluation => Assert.Equal(0, evaluation.Version % alone.Plan.Schedule.StepsPerEpoch));
    }

    [Fact]
    public void A_step_takes_as_many_bytes_over_a_network_as_stated()
    {
        var experiment = Experiment with { Layers = ["linear: 256", "relu", "linear: 256", "relu", "linear: 3"], Transport = "tcp", Workers = 2 };
        var plan = (experiment with { Training = "{ epochs: 20, batch-size: 20, shards: 4, local-steps: 4 }" }).Plan();
        using var cluster = new MiniCluster(plan).With(2);
        cluster.Run();

        // Eight steps an epoch. The first version was pulled before any step.
        var first = 2.0 * 3 * sizeof(float) * plan.Model.Layout.Length;
        var sent = cluster.Workers.Sum(static worker => worker.Loop.Costs.DataBytes) - first;
        Assert.InRange(sent / plan.TotalSteps, 0.97 * StepTraffic.Bytes(plan), 1.03 * StepTraffic.Bytes(plan));

        // Adam has two vectors of state: three times as much as gradients, every fourth step.
        var gradients = (experiment with { Training = "{ epochs: 20, batch-size: 20, shards: 4 }" }).Plan();
        Assert.InRange((double)StepTraffic.Bytes(plan) / StepTraffic.Bytes(gradients), 0.74, 0.76);
    }

    [Theory]
    [InlineData("{ kind: momentum, learning-rate: 0.05 }")]
    [InlineData("{ kind: adam, learning-rate: 0.002 }")]
    public void Digits_are_learnt_as_well(string optimizer)
    {
        var digits = new TestExperiment
        {
            Source = "digits",
            Split = "{ test: 0.2, stratify: true }",
            Preprocess = "[ scale: 0.0625 ]",
            Layers = ["linear: 64", "relu", "linear: 10"],
            Optimizer = optimizer,
        };
        var (together, apart) = (Accuracy(1), Accuracy(4));
        Assert.InRange(together, 0.96, 1);
        Assert.InRange(apart, together - 0.015, 1);

        double Accuracy(int localSteps)
        {
            using var cluster = new MiniCluster((digits with { Training = $"{{ epochs: 25, batch-size: 64, shards: 4, local-steps: {localSteps} }}" }).Plan()).With(2);
            cluster.Run();
            var test = cluster.Evaluations.Last().Test;
            return (double)test.Correct / test.Rows;
        }
    }
}
