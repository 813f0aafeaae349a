using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Replay;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>Modes in which each push is an update of its own: every leaf is applied once, and the run can be repeated to the bit.</summary>
public sealed class LooseModesTests
{
    // 150 rows in batches of 37: an uneven last batch with empty leaves. 9,400 parameters: three partitions.
    private static readonly TestExperiment Experiment = new()
    {
        Layers = ["linear: 64", "layer-norm", "relu", "dropout: 0.1", "linear: 128", "tanh", "linear: 3"],
        Optimizer = "{ kind: adam, learning-rate: 0.003, weight-decay: 0.001 }",
        Split = "{ validation: 0.1, test: 0.1 }",
        Partitions = 3,
    };

    private static TestExperiment In(string mode, string length = "epochs: 4, batch-size: 37", string more = "") =>
        Experiment with { Training = $"{{ {length}, shards: 5, mode: {mode}{more} }}" };

    [Theory]
    [InlineData("async", 1, 1)]
    [InlineData("async", 3, 2)]
    [InlineData("stale, staleness: 0", 2, 1)]
    public void One_worker_alone_gives_the_bits_of_sync(string mode, int partitions, int servers)
    {
        var plan = (In(mode) with { Partitions = partitions }).Plan();
        using var cluster = new MiniCluster(plan, servers).With(1);
        Assert.Equal(ReferenceTrainer.Train((In("sync") with { Partitions = partitions }).Plan()).Bits, cluster.Run().Bits);
    }

    [Theory]
    [InlineData("async", 2, 1, 1, "in-process")]
    [InlineData("async", 3, 3, 2, "unix")]
    [InlineData("async", 4, 3, 3, "shared-memory")]
    [InlineData("async", 2, 3, 2, "tcp")]
    [InlineData("stale, staleness: 2", 3, 2, 2, "shared-memory")]
    [InlineData("stale, staleness: 0", 4, 3, 1, "auto")]
    public void A_run_is_repeated_to_the_bit(string mode, int workers, int partitions, int servers, string transport)
    {
        var plan = (In(mode) with { Partitions = partitions, Transport = transport }).Plan();
        using var cluster = new MiniCluster(plan, servers).With(workers);
        var trained = cluster.Run();
        var updates = new List<ReplayedUpdate>();
        var replayed = new Replayer(plan, [cluster.Order(plan.TotalSteps)]).Run(told: updates.Add);
        Assert.Equal(trained.Bits, new TrainedModel(replayed.Parameters, trained.Buffers, trained.LossSums).Bits);
        EachLeafOnce(plan, updates);
        Assert.Equal([4, 8, 12, 16], cluster.Evaluations.Select(static evaluation => evaluation.Version));
    }

    [Theory]
    [InlineData("async", 1)]
    [InlineData("async", 2)]
    [InlineData("async", 3)]
    [InlineData("stale, staleness: 1", 4)]
    [InlineData("stale, staleness: 3", 5)]
    public void Shards_that_move_at_any_moment_are_repeated_too(string mode, int seed)
    {
        var plan = (In(mode) with { Transport = seed % 2 == 0 ? "unix" : "in-process", Optimizer = "{ kind: momentum, learning-rate: 0.02, clip-norm: 0.5 }" }).Plan();
        using var cluster = new MiniCluster(plan, servers: 2).WithMovingShards(seed, most: 2);
        var trained = cluster.Run();
        var updates = new List<ReplayedUpdate>();
        var replayed = new Replayer(plan, [cluster.Order(plan.TotalSteps)]).Run(told: updates.Add);
        Assert.Equal(trained.Bits, new TrainedModel(replayed.Parameters, trained.Buffers, trained.LossSums).Bits);
        EachLeafOnce(plan, updates);
        Assert.True(cluster.Generation >= 2);
    }

    [Theory]
    [InlineData("async", Faults.Drop, 2, 1)]
    [InlineData("async", Faults.Repeat | Faults.Reorder | Faults.Delay, 3, 2)]
    [InlineData("async", Faults.All & ~Faults.Cut, 2, 3)]
    [InlineData("stale, staleness: 1", Faults.All & ~Faults.Cut, 3, 4)]
    [InlineData("stale, staleness: 1", Faults.All, 3, 5)]
    [InlineData("async", Faults.All, 2, 6)]
    internal void So_is_a_run_over_bad_wires(string mode, Faults faults, int workers, int seed)
    {
        var plan = (In(mode) with { Transport = "tcp" }).Plan();
        using var cluster = new MiniCluster(plan, servers: 2) { Times = BadWireTests.Quick };
        var wires = BadWireTests.Start(cluster, workers, faults, seed, new FaultCounts());
        var trained = cluster.Run();
        Array.ForEach(wires, static wire => wire.Dispose());
        var updates = new List<ReplayedUpdate>();
        var replayed = new Replayer(plan, [cluster.Order(plan.TotalSteps)]).Run(told: updates.Add);
        Assert.Equal(trained.Bits, new TrainedModel(replayed.Parameters, trained.Buffers, trained.LossSums).Bits);
        EachLeafOnce(plan, updates);
    }

    [Theory]
    [InlineData(FrameKind.Push)]
    [InlineData(FrameKind.Pull)]
    internal void So_is_a_run_whose_links_break_inside_a_frame(FrameKind kind)
    {
        var plan = (In("async") with { Transport = "tcp" }).Plan();
        using var cluster = new MiniCluster(plan, servers: 2);
        FrameProxy[] proxies = [];
        var seen = 0;
        var first = cluster.Add("w0", routes =>
        {
            (var through, proxies) = FrameProxy.Between(routes, (_, frame) =>
                frame.Kind == kind && Interlocked.Increment(ref seen) % 3 == 0 && seen < 13 ? Fate.CutInside : Fate.Pass);
            return through;
        });
        var second = cluster.Add("w1");
        cluster.Do(() => cluster.Assign((first, [0, 1, 4]), (second, [2, 3])));
        var trained = cluster.Run();
        Array.ForEach(proxies, static proxy => proxy.Dispose());
        Assert.NotEmpty(cluster.LostLinks);
        var updates = new List<ReplayedUpdate>();
        var replayed = new Replayer(plan, [cluster.Order(plan.TotalSteps)]).Run(told: updates.Add);
        Assert.Equal(trained.Bits, new TrainedModel(replayed.Parameters, trained.Buffers, trained.LossSums).Bits);
        EachLeafOnce(plan, updates);
    }

    [Fact]
    public void A_worker_that_connects_anew_in_the_same_generation_gets_what_it_was_sent_before()
    {
        var plan = (In("async") with { Transport = "tcp" }).Plan();
        using var cluster = new MiniCluster(plan, servers: 2);
        FrameProxy[] proxies = [];
        var pushes = 0;
        var worker = cluster.Add("w0", routes =>
        {
            (var through, proxies) = FrameProxy.Between(routes, (_, frame) => frame.Kind == FrameKind.Push && Interlocked.Increment(ref pushes) is 5 or 14 ? Fate.CutInside : Fate.Pass);
            return through;
        });
        cluster.LinkLost = (_, _) => cluster.AssignAgain();
        var other = cluster.Add("w1");
        cluster.Do(() => cluster.Assign((worker, [0, 1, 2]), (other, [3, 4])));
        var trained = cluster.Run();
        Array.ForEach(proxies, static proxy => proxy.Dispose());
        Assert.Equal(1, cluster.Generation);
        var replayed = new Replayer(plan, [cluster.Order(plan.TotalSteps)]).Run();
        Assert.Equal(trained.Bits, new TrainedModel(replayed.Parameters, trained.Buffers, trained.LossSums).Bits);
    }

    [Fact]
    public void What_evaluations_lead_to_is_repeated_too()
    {
        var plan = (In("async", "epochs: 40, batch-size: 37", ", early-stopping: { patience: 3 }") with
        {
            Split = "{ validation: 0.2, test: 0.1 }",
            Optimizer = "{ kind: adam, learning-rate: 0.05, schedule: { kind: reduce-on-plateau, patience: 1, factor: 0.5 } }",
        }).Plan();
        using var cluster = new MiniCluster(plan, servers: 2).With(3);
        var trained = cluster.Run();
        Assert.True(cluster.FinalVersion < cluster.LastVersion && cluster.LastVersion < plan.TotalSteps, "The run was not stopped early: choose another learning rate.");
        Assert.True(cluster.Rates.Distinct().Count() > 1, "The rate was not reduced.");
        var replayed = new Replayer(plan, [cluster.Order(cluster.LastVersion)]).Run();
        Assert.Equal(cluster.LastVersion, replayed.Step);
        Assert.Equal(trained.Bits, new TrainedModel(replayed.Best!, trained.Buffers, trained.LossSums).Bits);
        Assert.NotEqual(replayed.Best, replayed.Parameters);
    }

    [Fact]
    public void A_repetition_stops_where_it_is_told()
    {
        var plan = In("async").Plan();
        using var cluster = new MiniCluster(plan, servers: 2).With(3);
        cluster.Run();
        var order = cluster.Order(plan.TotalSteps);
        var (all, some) = (new List<ReplayedUpdate>(), new List<ReplayedUpdate>());
        new Replayer(plan, [order]).Run(told: all.Add);
        Assert.Equal(6, new Replayer(plan, [order]).Run(until: 6, some.Add).Step);
        Assert.Equal(all.Take(some.Count).Select(static update => (update.Number, update.Worker, update.Step, update.ComputedAt, update.GradientNorm)), some.Select(static update => (update.Number, update.Worker, update.Step, update.ComputedAt, update.GradientNorm)));
        Assert.InRange(some.Count, 1, all.Count - 1);
        Assert.All(all, static update => Assert.True(update.ComputedAt <= update.Number && update.GradientNorm > 0 && update.Rows > 0));
    }

    [Fact]
    public void What_was_put_aside_says_what_was_sent_of_it_later_until_something_is_applied()
    {
        var bench = new PartitionBench(In("async").Plan());
        var all = new TreeNode(3, 0);
        Join(1, 0);
        Assert.Null(bench.Push(0, all));
        Assert.True(bench.Partition.TakeSnapshot(1));
        Assert.Equal([OrderEvent.Generation, OrderEvent.Member, OrderEvent.Sent, OrderEvent.Applied], Kinds());

        // Another partition lacks leaves of step 0: they are computed anew, with what this one has.
        bench.Partition.Fence(2);
        Join(2, 0);
        OrderEvent[] whole = [OrderEvent.Generation, OrderEvent.Member, OrderEvent.Sent, OrderEvent.Applied, OrderEvent.Generation, OrderEvent.Member, OrderEvent.Sent];
        Assert.Equal(whole, Kinds());
        Assert.Null(bench.Push(1, all, generation: 2));
        Assert.Equal(whole, Kinds());
        Assert.Equal(2, bench.Partition.Version);

        void Join(long generation, long step) =>
            bench.Partition.Join(new RecordingChannel(), new FrameHeader { Kind = FrameKind.Pull, Generation = generation, Step = step }, LooseMember.Introduction([0, 1, 2, 3, 4], 5, "w0"));

        OrderEvent[] Kinds()
        {
            var reader = new OrderLog.Reader(bench.Snapshot(1)[^1]);
            var kinds = new List<OrderEvent>();
            while (!reader.IsAtEnd)
            {
                kinds.Add(reader.Next().Kind);
            }

            return [.. kinds];
        }
    }

    [Theory]
    [InlineData("skip")]
    [InlineData("stop")]
    public void A_push_that_is_not_finite_is_left_out_or_ends_the_run(string nonFinite)
    {
        var bench = new PartitionBench(In("async", "epochs: 4, batch-size: 37", $", non-finite: {nonFinite}").Plan());
        var channel = new RecordingChannel();
        bench.Partition.Join(channel, new FrameHeader { Kind = FrameKind.Pull, Generation = 1, Step = 0 }, LooseMember.Introduction([0, 1, 2, 3], 5, "first"));
        bench.Partition.Join(new RecordingChannel(), new FrameHeader { Kind = FrameKind.Pull, Generation = 1, Step = 0 }, LooseMember.Introduction([4], 5, "second"));
        Assert.Null(bench.Push(0, new TreeNode(2, 0), fault: LeafFault.NotFinite));
        bench.Partition.WantNext(channel, bench.Header(0, new TreeNode(2, 0)));
        if (nonFinite == "stop")
        {
            Assert.Contains("pushed by first, is not finite", Assert.Single(bench.Events.Failures).Reason, StringComparison.Ordinal);
            Assert.Single(channel.Posted);
            return;
        }

        Assert.Empty(bench.Events.Failures);
        Assert.Equal(1, channel.Last.Header.Step);
        Assert.Equal(channel.Floats(0), channel.Floats(1));
        Assert.Null(bench.Push(0, new TreeNode(0, 4)));
        Assert.Equal(0, Assert.Single(bench.Events.Skipped));
        Assert.Equal(1, bench.Partition.Version);
        Assert.NotEqual(channel.Floats(0), bench.Parameters(1));
    }

    [Fact]
    public void Batch_norm_is_refused()
    {
        var problems = new List<string>();
        Assert.Null(new TestExperiment { Layers = ["linear: 8", "batch-norm: { sync: false }", "linear: 3"], Training = "{ epochs: 1, batch-size: 30, shards: 3, mode: stale }" }.TryPlan(problems));
        Assert.StartsWith("training.mode: stale and batch-norm do not go together", Assert.Single(problems), StringComparison.Ordinal);
    }

    /// <summary>Each leaf of each step was applied once, and those of a shard in order.</summary>
    private static void EachLeafOnce(Cluster.Planning.TrainingPlan plan, List<ReplayedUpdate> updates)
    {
        for (var shard = 0; shard < plan.Shards; shard++)
        {
            Assert.Equal(
                Enumerable.Range(0, (int)plan.TotalSteps).Select(static step => (long)step).Where(step => plan.Schedule.LeafRows(step, shard) > 0),
                updates.Where(update => update.Shards.Contains(shard)).Select(static update => update.Step));
        }
    }
}
