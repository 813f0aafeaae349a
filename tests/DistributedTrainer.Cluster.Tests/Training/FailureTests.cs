using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>Whatever happens to workers and connections, the bits are those of a training in one thread.</summary>
public sealed class FailureTests
{
    private static readonly string[] Ways = ["in-process", "unix", "shared-memory"];

    private static readonly TestExperiment Experiment = new()
    {
        Layers = ["linear: 64", "batch-norm", "relu", "linear: 128", "relu", "linear: 3"],
        Training = "{ epochs: 4, batch-size: 37, shards: 5 }",
        Split = "{ validation: 0.1, test: 0.1 }",
        Partitions = 3,
        Transport = "tcp",
    };

    private static readonly TestExperiment Unsynchronised = Experiment with
    {
        Training = "{ epochs: 4, batch-size: 40, shards: 5 }",
        Layers = ["linear: 64", "batch-norm: { sync: false }", "relu", "linear: 128", "relu", "linear: 3"],
    };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(11)]
    [InlineData(12)]
    public void Shards_that_move_at_any_moment_change_no_bit(int seed)
    {
        var plan = (Experiment with { Transport = Ways[seed % Ways.Length], Overlap = seed > 6 ? "always" : "never" }).Plan();
        using var cluster = new MiniCluster(plan, servers: 2).WithMovingShards(seed, most: 3);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.True(cluster.Generation >= 2);
    }

    // 150 rows: the second of two steps has two, in leaves 3 and 4.
    [Fact]
    public void A_worker_whose_leaf_another_one_has_and_whom_the_next_step_does_not_need_is_overtaken_and_goes_on()
    {
        var plan = (Experiment with { Training = "{ epochs: 3, batch-size: 148, shards: 5 }", Split = "none" }).Plan();
        Assert.Equal([0, 0, 0, 1, 1], Enumerable.Range(0, 5).Select(shard => plan.LeafRows(1, shard)));
        using var cluster = new MiniCluster(plan);
        FrameProxy[] ofFirst = [], ofSecond = [];
        MiniCluster.Worker first = null!, second = null!;
        var moved = 0;
        using var halfway = new ManualResetEventSlim();
        first = cluster.Add("first", routes =>
        {
            // It has computed all leaves of the first step when leaf 0 becomes another one's, and will push it with its own.
            (var through, ofFirst) = FrameProxy.Between(routes, (_, frame) =>
            {
                if (frame is not { Kind: FrameKind.Push, Generation: 1 })
                {
                    // Not before the other one is on its way.
                    Assert.True(frame is not { Kind: FrameKind.Push, Step: 0 } || halfway.Wait(MiniCluster.Limit));
                    return Fate.Pass;
                }

                if (Interlocked.Exchange(ref moved, 1) == 0)
                {
                    cluster.Do(() => cluster.Assign((first, [1, 2, 3, 4]), (second, [0])));
                }

                return Fate.Drop;
            });
            return through;
        });
        second = cluster.Add("second", routes =>
        {
            // What it sends of the first step's pass backwards comes when nobody needs it any more.
            (var through, ofSecond) = FrameProxy.Between(routes, (_, frame) =>
            {
                if (frame is not { Kind: FrameKind.Statistics, Step: 0 } || (frame.Flags & StatisticsFlags.Backward) == 0)
                {
                    return Fate.Pass;
                }

                halfway.Set();
                return Fate.Drop;
            });
            return through;
        });
        cluster.Do(() => cluster.Assign((first, [0, 1, 2, 3, 4])));
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.Equal(2, cluster.Generation);
        Assert.Empty(cluster.LostLinks);
        Array.ForEach([.. ofFirst, .. ofSecond], static proxy => proxy.Dispose());
    }

    [Fact]
    public void A_worker_that_waits_in_an_exchange_computes_a_dead_workers_leaves_itself()
    {
        var plan = Experiment.Plan();
        using var cluster = new MiniCluster(plan);
        MiniCluster.Worker survivor = null!;
        var died = 0;
        FrameProxy[] proxies = [];
        survivor = cluster.Add("survivor", routes =>
        {
            (var through, proxies) = FrameProxy.Between(routes, (_, frame) =>
            {
                // The survivor has sent its own leaves and waits for those of a worker that never computes.
                if (frame is { Kind: FrameKind.Statistics, Generation: 1 } && (frame.Flags & StatisticsFlags.WantsTotal) != 0 && Interlocked.Exchange(ref died, 1) == 0)
                {
                    cluster.Do(() => cluster.Assign((survivor, [0, 1, 2, 3, 4])));
                }

                return Fate.Pass;
            });
            return through;
        });
        cluster.Do(() => cluster.Assign((survivor, [0, 3])));
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.Equal(2, cluster.Generation);
        Array.ForEach(proxies, static proxy => proxy.Dispose());
    }

    [Fact]
    public void Leaves_that_move_from_who_had_all_of_them_find_the_statistics_of_the_others()
    {
        var plan = Experiment.Plan();
        using var cluster = new MiniCluster(plan);
        MiniCluster.Worker first = null!, second = null!;
        var moved = 0;
        FrameProxy[] proxies = [];
        first = cluster.Add("first", routes =>
        {
            (var through, proxies) = FrameProxy.Between(routes, (_, frame) =>
            {
                // It has computed all leaves, has waited for nobody, and nothing that it sends of them under this assignment arrives.
                if (frame is not { Kind: FrameKind.Statistics or FrameKind.Push, Generation: 1 })
                {
                    return Fate.Pass;
                }

                Assert.Equal(0, frame.Kind == FrameKind.Statistics ? frame.Flags & StatisticsFlags.WantsTotal : 0);
                if (Interlocked.Exchange(ref moved, 1) == 0)
                {
                    cluster.Do(() => cluster.Assign((first, [1, 2, 4]), (second, [0, 3])));
                }

                return Fate.Drop;
            });
            return through;
        });
        second = cluster.Add("second");
        cluster.Do(() => cluster.Assign((first, [0, 1, 2, 3, 4])));
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.Equal(2, cluster.Generation);
        Array.ForEach(proxies, static proxy => proxy.Dispose());
    }

    [Fact]
    public void Who_knows_the_statistics_of_leaves_that_others_have_now_still_sends_its_own()
    {
        var plan = Experiment.Plan();
        using var cluster = new MiniCluster(plan);
        MiniCluster.Worker first = null!, second = null!;
        var moved = 0;
        FrameProxy[] proxies = [];
        first = cluster.Add("first", routes =>
        {
            (var through, proxies) = FrameProxy.Between(routes, (_, frame) =>
            {
                // It waits for leaves 3 and 4 when it gets them, and another one its own.
                if (frame is { Kind: FrameKind.Statistics, Generation: 1 } && (frame.Flags & StatisticsFlags.WantsTotal) != 0 && Interlocked.Exchange(ref moved, 1) == 0)
                {
                    cluster.Do(() => cluster.Assign((first, [3, 4]), (second, [0, 1, 2])));
                }

                return Fate.Pass;
            });
            return through;
        });
        second = cluster.Add("second");
        cluster.Do(() => cluster.Assign((first, [0, 1, 2])));
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.Equal(2, cluster.Generation);
        Array.ForEach(proxies, static proxy => proxy.Dispose());
    }

    [Theory]
    [InlineData("push", true)]
    [InlineData("push", false)]
    [InlineData("statistics", true)]
    [InlineData("statistics", false)]
    [InlineData("evaluation", true)]
    public void A_link_that_breaks_inside_a_frame_costs_no_bit(string kind, bool sync)
    {
        var plan = (sync ? Experiment : Unsynchronised).Plan();
        var broken = Enum.Parse<FrameKind>(kind, ignoreCase: true);
        using var cluster = new MiniCluster(plan, servers: 2);
        FrameProxy[] proxies = [];
        var seen = 0;
        var worker = cluster.Add("w0", routes =>
        {
            // The 3rd, 6th, 9th … frame of the kind is cut in half, with whatever follows it.
            (var through, proxies) = FrameProxy.Between(routes, (_, frame) =>
                frame.Kind == broken && Interlocked.Increment(ref seen) % 3 == 0 && seen < 10 ? Fate.CutInside : Fate.Pass);
            return through;
        });
        var other = cluster.Add("w1");
        cluster.Do(() => cluster.Assign((worker, [0, 1, 4]), (other, [2, 3])));
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.NotEmpty(cluster.LostLinks);
        Assert.All(cluster.LostLinks, static lost => Assert.Equal("w0", lost.Worker));
        Array.ForEach(proxies, static proxy => proxy.Dispose());
    }

    [Fact]
    public void A_worker_whose_report_of_a_broken_link_was_lost_connects_anew_when_it_is_assigned_again()
    {
        var plan = Experiment.Plan();
        using var cluster = new MiniCluster(plan);
        FrameProxy[] proxies = [];
        var pushes = 0;
        var worker = cluster.Add("w0", routes =>
        {
            (var through, proxies) = FrameProxy.Between(routes, (_, frame) => frame.Kind == FrameKind.Push && Interlocked.Increment(ref pushes) == 5 ? Fate.CutInside : Fate.Pass);
            return through;
        });
        cluster.LinkLost = (_, _) => cluster.AssignAgain();
        cluster.Do(() => cluster.Assign((worker, [0, 1, 2, 3, 4])));
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
        Assert.Equal(1, cluster.Generation);
        Array.ForEach(proxies, static proxy => proxy.Dispose());
    }

    [Fact]
    public void The_server_that_was_lost_is_named()
    {
        var plan = Experiment.Plan();
        using var cluster = new MiniCluster(plan, servers: 3);
        FrameProxy[] proxies = [];
        var worker = cluster.Add("w0", routes =>
        {
            (var through, proxies) = FrameProxy.Between(routes, (connection, frame) => frame is { Kind: FrameKind.Push, Partition: 2, Step: 1, Generation: 1 } ? Fate.CutInside : Fate.Pass);
            return through;
        });
        cluster.Do(() => cluster.Assign((worker, [0, 1, 2, 3, 4])));
        cluster.Run();
        Assert.Equal("s2", Assert.Single(cluster.LostLinks).Server);
        Array.ForEach(proxies, static proxy => proxy.Dispose());
    }

    [Fact]
    public void A_push_that_never_fits_is_reported_with_the_servers_reason()
    {
        // The worker believes in another batch size: its leaves have other numbers of rows.
        var layers = new TestExperiment { Layers = ["linear: 64", "relu", "linear: 128", "relu", "linear: 3"], Transport = "tcp" };
        var plan = layers.Plan();
        var other = (layers with { Training = "{ epochs: 1, batch-size: 34, shards: 4 }" }).Plan();
        using var cluster = new MiniCluster(plan);
        using var reported = new ManualResetEventSlim();
        cluster.LinkLost = (_, _) => reported.Set();
        var worker = cluster.Add("w0", plan: Cluster.Planning.TrainingPlan.Create(other.Experiment, "", plan.Token, []));
        cluster.Do(() => cluster.Assign((worker, [0, 1, 2, 3])));
        Assert.True(reported.Wait(MiniCluster.Limit), "The refusal was swallowed.");
        Assert.Contains("rows, not", cluster.LostLinks.First().Reason, StringComparison.Ordinal);
    }
}
