using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class PartitionTests
{
    private static readonly TestExperiment FiveShards = new() { Training = "{ epochs: 2, batch-size: 31, shards: 5 }" };

    [Fact]
    public void Partition_starts_with_the_models_initial_parameters()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        var expected = new float[bench.Plan.Model.Layout.Length];
        bench.Plan.Model.Initialize(expected, [], bench.Plan.Seed);
        Assert.Equal(expected, bench.Parameters(0));
    }

    [Fact]
    public void Partition_applies_a_step_when_its_last_leaf_has_come()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        for (var shard = 0; shard < 4; shard++)
        {
            bench.Push(0, TreeNode.OfLeaf(shard));
        }

        Assert.Equal(0, bench.Partition.Version);
        bench.Push(0, TreeNode.OfLeaf(4));
        Assert.Equal(1, bench.Partition.Version);
        var (step, loss, rows) = Assert.Single(bench.Events.Applied);
        Assert.Equal((0, 31), (step, rows));
        Assert.Equal(((1.0 / 3) + (1.0 / 4)) + ((1.0 / 5) + (1.0 / 6)) + (1.0 / 7), loss);
    }

    [Fact]
    public void Partition_ignores_a_leaf_that_it_already_has()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        bench.Push(0, TreeNode.OfLeaf(2));
        var header = bench.Header(0, TreeNode.OfLeaf(2));
        Assert.Null(bench.Partition.Reserve(header, out var refusal));
        Assert.Null(refusal);
    }

    [Fact]
    public void Partition_counts_a_leaf_once_that_two_workers_send_at_the_same_time()
    {
        var (bench, other) = (new PartitionBench(FiveShards.Plan()), new PartitionBench(FiveShards.Plan()));
        var header = bench.Header(0, TreeNode.OfLeaf(0), loss: 1.0 / 3);
        var first = bench.Partition.Reserve(header, out _)!;
        var second = bench.Partition.Reserve(header, out _)!;
        Assert.NotSame(first, second);
        first.Own.Fill(0.25f);
        second.Own.Fill(0.25f);
        bench.Partition.Complete(header, first);
        bench.Partition.Complete(header, second);
        for (var shard = 1; shard < 5; shard++)
        {
            bench.Push(0, TreeNode.OfLeaf(shard));
            other.Push(0, TreeNode.OfLeaf(shard));
        }

        var single = other.Partition.Reserve(header, out _)!;
        single.Own.Fill(0.25f);
        other.Partition.Complete(header, single);
        Assert.Equal(other.Parameters(1), bench.Parameters(1));
    }

    [Fact]
    public void Partition_gives_the_same_bits_for_any_order_of_arrival()
    {
        var plan = FiveShards.Plan();
        var reference = new PartitionBench(plan);
        Enumerable.Range(0, 3).ToList().ForEach(step => reference.PushAll(step));
        for (var seed = 0; seed < 20; seed++)
        {
            var random = new Random(seed);
            var bench = new PartitionBench(plan);
            for (var step = 0L; step < 3; step++)
            {
                var order = Enumerable.Range(0, 5).Where(shard => plan.Schedule.LeafRows(step, shard) > 0).ToArray();
                random.Shuffle(order);
                foreach (var shard in order)
                {
                    bench.Push(step, TreeNode.OfLeaf(shard));
                }
            }

            Assert.Equal(reference.Parameters(3), bench.Parameters(3));
            Assert.Equal(reference.Events.Applied, bench.Events.Applied);
        }
    }

    [Fact]
    public void Inner_nodes_give_the_same_bits_as_their_leaves()
    {
        var plan = FiveShards.Plan();
        var (leaves, nodes) = (new PartitionBench(plan), new PartitionBench(plan));
        leaves.PushAll(0);
        nodes.Push(0, TreeNode.OfLeaf(1));
        nodes.Push(0, TreeNode.OfLeaf(4));
        nodes.Push(0, new TreeNode(2, 0));
        Assert.Equal(leaves.Parameters(1), nodes.Parameters(1));
        Assert.Equal(leaves.Events.Applied, nodes.Events.Applied);
    }

    [Fact]
    public void An_epochs_small_last_batch_needs_only_the_leaves_that_have_rows()
    {
        // 150 rows in batches of 37: the fifth step has two rows, three of five leaves are empty.
        var bench = new PartitionBench((FiveShards with { Training = "{ epochs: 1, batch-size: 37, shards: 5 }" }).Plan());
        for (var step = 0L; step < 5; step++)
        {
            bench.PushAll(step);
        }

        Assert.Equal(5, bench.Partition.Version);
        Assert.Equal([37, 37, 37, 37, 2], bench.Events.Applied.Select(static applied => applied.Rows));
    }

    [Fact]
    public void A_stale_generation_is_refused_with_a_reason()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        Assert.Equal((3, 0), bench.Partition.Fence(3));
        Assert.Equal("generation 1 is not the current one, 3", bench.Push(0, TreeNode.OfLeaf(0)));
        bench.PushAll(0, generation: 3);
        Assert.Equal(1, bench.Partition.Version);
    }

    [Fact]
    public void An_older_fence_changes_nothing()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        bench.Partition.Fence(3);
        bench.Partition.Fence(2);
        Assert.NotNull(bench.Push(0, TreeNode.OfLeaf(0), generation: 2));
        Assert.Null(bench.Push(0, TreeNode.OfLeaf(0), generation: 3));
    }

    [Fact]
    public void A_payload_that_is_under_way_when_the_generation_changes_is_dropped()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        var header = bench.Header(0, TreeNode.OfLeaf(0));
        var buffer = bench.Partition.Reserve(header, out _)!;
        bench.Partition.Fence(2);
        bench.Partition.Complete(header, buffer);
        bench.PushAll(0, generation: 2);

        var clean = new PartitionBench(FiveShards.Plan());
        clean.PushAll(0);
        Assert.Equal(clean.Parameters(1), bench.Parameters(1));
    }

    [Fact]
    public void Leaves_that_came_under_an_older_generation_are_pushed_again()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        bench.Push(0, TreeNode.OfLeaf(0));
        bench.Partition.Fence(2);
        for (var shard = 1; shard < 5; shard++)
        {
            bench.Push(0, TreeNode.OfLeaf(shard), generation: 2);
        }

        Assert.Equal(0, bench.Partition.Version);
        bench.Push(0, TreeNode.OfLeaf(0), generation: 2);
        Assert.Equal(1, bench.Partition.Version);
    }

    [Theory]
    [InlineData("level", "node 4/0")]
    [InlineData("negative level", "node -1/0")]
    [InlineData("index", "node 0/5")]
    [InlineData("negative index", "node 0/-1")]
    [InlineData("bytes", "does not fit 5 shards")]
    [InlineData("rows", "node 0/0 of step 0 has 7 rows, not 6")]
    [InlineData("step ahead", "step 1 is ahead of version 0")]
    [InlineData("negative step", "has 0 rows")]
    public void A_push_that_fits_nothing_is_refused_without_harm(string what, string reason)
    {
        var bench = new PartitionBench(FiveShards.Plan());
        var header = bench.Header(0, TreeNode.OfLeaf(0));
        header = what switch
        {
            "level" => header with { Level = 4 },
            "negative level" => header with { Level = -1 },
            "index" => header with { Index = 5 },
            "negative index" => header with { Index = -1 },
            "bytes" => header with { PayloadBytes = header.PayloadBytes - 4 },
            "rows" => header with { Rows = header.Rows - 1 },
            "step ahead" => header with { Step = 1 },
            _ => header with { Step = -1 },
        };

        Assert.Null(bench.Partition.Reserve(header, out var refusal));
        Assert.Contains(reason, refusal, StringComparison.Ordinal);
        bench.PushAll(0);
        Assert.Equal(1, bench.Partition.Version);
    }

    [Fact]
    public void Nothing_is_accepted_after_the_last_step()
    {
        var bench = new PartitionBench((FiveShards with { Training = "{ steps: 1, batch-size: 31, shards: 5 }" }).Plan());
        bench.PushAll(0);
        var header = bench.Header(0, TreeNode.OfLeaf(0)) with { Step = 1, Rows = 7 };
        Assert.Null(bench.Partition.Reserve(header, out var refusal));
        Assert.Contains("has 0 rows", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void A_late_push_is_harmless()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        bench.PushAll(0);
        var before = bench.Parameters(1);
        Assert.Null(bench.Push(0, TreeNode.OfLeaf(3)));
        Assert.Equal(1, bench.Partition.Version);
        Assert.Equal(before, bench.Parameters(1));
    }

    [Fact]
    public void A_push_whose_payload_never_comes_whole_leaves_no_trace()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        var header = bench.Header(0, TreeNode.OfLeaf(0));
        var buffer = bench.Partition.Reserve(header, out _)!;
        buffer.Own.Fill(float.NaN);
        bench.Partition.Abandon(buffer);
        bench.PushAll(0);

        var clean = new PartitionBench(FiveShards.Plan());
        clean.PushAll(0);
        Assert.Equal(clean.Parameters(1), bench.Parameters(1));
    }

    [Fact]
    public void A_loss_that_is_not_finite_fails_the_run_once()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        bench.PushAll(0);
        for (var shard = 0; shard < 5; shard++)
        {
            bench.Push(1, TreeNode.OfLeaf(shard), loss: shard == 2 ? double.NaN : 1);
        }

        Assert.Null(bench.Push(1, TreeNode.OfLeaf(0)));
        var (step, reason) = Assert.Single(bench.Events.Failures);
        Assert.Equal(1, step);
        Assert.Contains("the loss of step 1 is not finite", reason, StringComparison.Ordinal);
        Assert.Equal(1, bench.Partition.Version);
    }

    [Fact]
    public void Buffers_are_reused()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        var seen = new HashSet<LeafBuffer>();
        for (var step = 0L; step < 8; step++)
        {
            for (var shard = 0; shard < 5; shard++)
            {
                if (bench.Plan.Schedule.LeafRows(step, shard) > 0)
                {
                    var header = bench.Header(step, TreeNode.OfLeaf(shard));
                    var buffer = bench.Partition.Reserve(header, out _)!;
                    seen.Add(buffer);
                    bench.Partition.Complete(header, buffer);
                }
            }
        }

        // Leaves 0 to 4 in order: never more than 0..1, 2 and 3 at once.
        Assert.InRange(seen.Count, 1, 3);
        Assert.Equal(8, bench.Partition.Version);
    }

    [Fact]
    public void A_step_without_all_of_its_statistics_fails_before_anything_is_changed()
    {
        var bench = new PartitionBench((FiveShards with { Layers = ["linear: 8", "batch-norm", "linear: 3"] }).Plan());
        bench.PushAll(0);
        Assert.Equal((0, "the statistics of batch-norm layer 0 in step 0 are not complete"), Assert.Single(bench.Events.Failures));
        Assert.Equal(0, bench.Partition.Version);
        Assert.Empty(bench.Events.Applied);
    }
}
