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

    private static TrainingPlan With(string compression, TestExperiment experiment, string more = "") =>
        (experiment with { Training = $"{{ epochs: 3, batch-size: 37, shards: 5, compression: {compression}{more} }}" }).Plan();
}
