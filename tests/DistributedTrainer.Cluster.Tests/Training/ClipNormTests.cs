using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>The norm of the whole gradient is the same bits for any number of partitions, servers and workers, and whatever dies.</summary>
public sealed class ClipNormTests
{
    private static readonly string[] Ways = ["in-process", "unix", "shared-memory"];

    // 9,400 parameters: three partitions.
    private static readonly TestExperiment Experiment = new()
    {
        Layers = ["linear: 64", "batch-norm", "relu", "linear: 128", "relu", "linear: 3"],
        Training = "{ epochs: 3, batch-size: 37, shards: 5 }",
        Optimizer = "{ kind: momentum, learning-rate: 0.05, clip-norm: 0.3, weight-decay: 0.001 }",
        Partitions = 3,
    };

    [Theory]
    [InlineData(1, 1, 1, "auto")]
    [InlineData(2, 3, 1, "auto")]
    [InlineData(1, 3, 3, "unix")]
    [InlineData(2, 2, 2, "shared-memory")]
    [InlineData(4, 3, 2, "in-process")]
    [InlineData(3, 3, 3, "tcp")]
    public void A_clipped_training_has_the_same_bits_in_a_cluster_of_any_form(int workers, int partitions, int servers, string transport)
    {
        var plan = (Experiment with { Partitions = partitions, Transport = transport }).Plan();
        using var cluster = new MiniCluster(plan, servers).With(workers);
        var expected = ReferenceTrainer.Train(plan).Bits;
        Assert.Equal(expected, cluster.Run().Bits);
        Assert.NotEqual(expected, ReferenceTrainer.Train((Experiment with { Optimizer = "{ kind: momentum, learning-rate: 0.05, weight-decay: 0.001 }" }).Plan()).Bits);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Shards_that_move_while_norms_are_under_way_change_no_bit(int seed)
    {
        var plan = (Experiment with { Transport = Ways[seed % Ways.Length] }).Plan();
        using var cluster = new MiniCluster(plan, servers: 3);
        var random = new Random(seed);
        var workers = Enumerable.Range(0, 3).Select(i => cluster.Add($"w{i}")).ToArray();
        void Move()
        {
            var owners = Enumerable.Range(0, 5).Select(_ => random.Next(3)).ToArray();
            cluster.Assign([.. workers.Select((worker, i) => (worker, Enumerable.Range(0, 5).Where(shard => owners[shard] == i).ToArray()))]);
        }

        cluster.StepApplied = _ =>
        {
            for (var times = random.Next(3); times > 0; times--)
            {
                Move();
            }
        };
        cluster.Do(Move);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
    }

    [Fact]
    public void A_partition_that_is_a_step_ahead_still_tells_its_sums()
    {
        // The worker dies when it has brought the sums of partition 0 to nobody, and those of the others to partition 0, which
        // so takes the step alone. Whoever takes over brings the sums of a step that partition 0 has behind it.
        var plan = (Experiment with { Transport = "tcp" }).Plan();
        using var cluster = new MiniCluster(plan, servers: 3);
        FrameProxy[] proxies = [];
        var relayed = 0;
        MiniCluster.Worker heir = null!;
        var dying = cluster.Add("dying", routes =>
        {
            (var through, proxies) = FrameProxy.Between(routes, (_, frame) =>
            {
                if (frame is not { Kind: FrameKind.Norm, Step: 2, Generation: 1 } || frame.Partition == 0)
                {
                    return Fate.Pass;
                }

                Interlocked.Increment(ref relayed);
                return Fate.Drop;
            });
            return through;
        });
        heir = cluster.Add("heir");
        cluster.StepApplied = step =>
        {
            if (step == 2 && cluster.Generation == 1)
            {
                cluster.Assign((heir, [0, 1, 2, 3, 4]));
            }
        };
        cluster.Do(() => cluster.Assign((dying, [0, 1, 2, 3, 4])));
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.True(relayed > 0);
        Assert.Equal(2, cluster.Generation);
        Array.ForEach(proxies, static proxy => proxy.Dispose());
    }

    [Fact]
    public void Sums_that_were_lost_are_asked_for_again()
    {
        var plan = (Experiment with { Transport = "tcp" }).Plan();
        using var cluster = new MiniCluster(plan, servers: 3) { Times = new() { First = TimeSpan.FromMilliseconds(20) } };
        FrameProxy[] proxies = [];
        var seen = 0;
        var worker = cluster.Add("w0", routes =>
        {
            (var through, proxies) = FrameProxy.Between(routes, (_, frame) => frame.Kind == FrameKind.Norm && Interlocked.Increment(ref seen) % 4 == 1 ? Fate.Drop : Fate.Pass);
            return through;
        });
        cluster.Do(() => cluster.Assign((worker, [0, 1, 2, 3, 4])));
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.True(seen > 8);
        Assert.Equal(1, cluster.Generation);
        Array.ForEach(proxies, static proxy => proxy.Dispose());
    }
}
