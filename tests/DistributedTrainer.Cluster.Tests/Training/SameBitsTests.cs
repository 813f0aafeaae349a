using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Cluster.Workers;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>A cluster of any form reaches the bits of a training in one thread.</summary>
public sealed class SameBitsTests
{
    // 150 rows in batches of 37: an uneven last batch with empty leaves. 9,400 parameters: three partitions.
    private static readonly TestExperiment Full = new()
    {
        Layers = ["linear: 64", "batch-norm", "relu", "dropout: 0.2", "linear: 128", "batch-norm", "tanh", "linear: 3"],
        Training = "{ epochs: 2, batch-size: 37, shards: 5 }",
        Optimizer = "{ kind: adam, learning-rate: 0.01, weight-decay: 0.001 }",
    };

    private static readonly TestExperiment Regression = new()
    {
        Source = "diabetes",
        Layers = ["linear: 64", "batch-norm: { sync: false }", "relu", "linear: 64", "batch-norm", "linear: 1"],
        Loss = "mean-squared-error",
        Training = "{ steps: 11, batch-size: 64, shards: 7 }",
        Optimizer = "{ kind: momentum, learning-rate: 0.001 }",
    };

    [Theory]
    [InlineData(1, 1, 1, "auto")]
    [InlineData(1, 3, 1, "auto")]
    [InlineData(2, 1, 1, "in-process")]
    [InlineData(2, 2, 1, "unix")]
    [InlineData(2, 2, 1, "shared-memory")]
    [InlineData(2, 3, 1, "tcp")]
    [InlineData(3, 3, 2, "auto")]
    [InlineData(4, 3, 3, "unix")]
    [InlineData(4, 3, 3, "shared-memory")]
    [InlineData(4, 2, 2, "tcp")]
    [InlineData(7, 3, 1, "auto")]
    public void A_cluster_of_any_form_gives_the_bits_of_one_thread(int workers, int partitions, int servers, string transport)
    {
        var plan = (Full with { Partitions = partitions, Transport = transport }).Plan();
        Assert.Equal(partitions, plan.Ranges.Count);
        using var cluster = new MiniCluster(plan, servers).With(workers);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
    }

    [Theory]
    [InlineData(1, 3, 1, "in-process")]
    [InlineData(2, 3, 3, "shared-memory")]
    [InlineData(3, 3, 2, "unix")]
    [InlineData(4, 2, 1, "tcp")]
    [InlineData(5, 3, 1, "tcp")]
    public void Gradients_that_leave_early_and_passes_that_begin_early_change_no_bit(int workers, int partitions, int servers, string transport)
    {
        var plan = (Full with { Partitions = partitions, Transport = transport, Overlap = "always" }).Plan();
        using var cluster = new MiniCluster(plan, servers).With(workers);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
    }

    /// <summary>Who looks for so long waits for nothing else: the run would stand still if sums were not found where they were written.</summary>
    [Theory]
    [InlineData(2, "in-process")]
    [InlineData(3, "shared-memory")]
    public void Workers_of_one_host_find_each_others_sums_of_batch_norm_without_the_server(int workers, string transport)
    {
        var plan = (Full with { Transport = transport }).Plan();
        using var cluster = new MiniCluster(plan) { Times = ResendTimes.Default with { Alert = 10 * MiniCluster.Limit } }.With(workers);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.True(cluster.Statistics.IsShared);
    }

    [Theory]
    [InlineData(2, "in-process")]
    [InlineData(3, "shared-memory")]
    public void Where_one_takes_long_they_ask_the_server(int workers, string transport)
    {
        var plan = (Full with { Transport = transport }).Plan();
        using var cluster = new MiniCluster(plan) { Times = ResendTimes.Default with { Alert = TimeSpan.Zero } }.With(workers);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.True(cluster.Statistics.IsShared);
    }

    [Fact]
    public void With_one_worker_elsewhere_all_ask_the_server()
    {
        var plan = (Full with { Transport = "tcp" }).Plan();
        using var cluster = new MiniCluster(plan).With(2);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.False(cluster.Statistics.IsShared);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void A_regression_with_both_kinds_of_batch_norm_too(int workers)
    {
        var plan = (Regression with { Partitions = 2 }).Plan();
        using var cluster = new MiniCluster(plan).With(workers);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
    }

    [Fact]
    public void Evaluations_are_the_same_for_any_number_of_workers()
    {
        var plan = (Full with { Split = "{ validation: 0.2, test: 0.2 }", Training = "{ epochs: 3, batch-size: 30, shards: 4 }" }).Plan();
        using var one = new MiniCluster(plan).With(1);
        one.Run();
        using var three = new MiniCluster((Full with { Split = "{ validation: 0.2, test: 0.2 }", Training = "{ epochs: 3, batch-size: 30, shards: 4 }" }).Plan()).With(3);
        three.Run();
        Assert.Equal([3, 6, 9], one.Evaluations.Select(static evaluation => evaluation.Version));
        Assert.Equal(one.Evaluations, three.Evaluations);
        Assert.Equal(one.Units, three.Units);
        Assert.Equal([30, 30, 30], one.Evaluations.Select(static evaluation => evaluation.Validation.Rows));
        Assert.Equal([0, 0, 30], one.Evaluations.Select(static evaluation => evaluation.Test.Rows));
    }
}
