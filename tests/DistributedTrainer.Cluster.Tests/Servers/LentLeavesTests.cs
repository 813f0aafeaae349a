using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Tests.Servers;

/// <summary>Gradients that a partition reads where the worker keeps them.</summary>
public sealed class LentLeavesTests
{
    private static readonly TestExperiment FiveShards = new() { Training = "{ epochs: 2, batch-size: 31, shards: 5 }" };

    [Fact]
    public void Lent_and_copied_leaves_give_the_same_bits_in_any_order()
    {
        var plan = FiveShards.Plan();
        var reference = new PartitionBench(plan);
        reference.PushAll(0);
        for (var seed = 0; seed < 20; seed++)
        {
            var random = new Random(seed);
            var bench = new PartitionBench(plan);
            foreach (var shard in Enumerable.Range(0, 5).OrderBy(_ => random.Next()))
            {
                if (random.Next(2) == 0)
                {
                    Assert.Null(bench.Push(0, TreeNode.OfLeaf(shard)));
                }
                else
                {
                    Assert.Null(bench.Lend(0, TreeNode.OfLeaf(shard)).Refusal);
                }
            }

            Assert.Equal(reference.Parameters(1), bench.Parameters(1));
        }
    }

    [Fact]
    public void What_is_lent_is_given_back_once_and_never_written()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        var lent = Enumerable.Range(0, 5).Select(shard => bench.Lend(0, TreeNode.OfLeaf(shard))).ToArray();
        Assert.Equal(1, bench.Partition.Version);
        Assert.All(lent, static push => Assert.Equal(1, push.Lease.GivenBack));
        for (var shard = 0; shard < 5; shard++)
        {
            Assert.Equal(bench.Sum(0, TreeNode.OfLeaf(shard)), lent[shard].Values);
        }
    }

    [Fact]
    public void What_is_refused_or_not_needed_is_given_back_at_once()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        var refused = bench.Lend(0, TreeNode.OfLeaf(0), generation: 7);
        Assert.NotNull(refused.Refusal);
        Assert.Equal(1, refused.Lease.GivenBack);
        bench.Push(0, TreeNode.OfLeaf(0));
        var duplicate = bench.Lend(0, TreeNode.OfLeaf(0));
        Assert.Null(duplicate.Refusal);
        Assert.Equal(1, duplicate.Lease.GivenBack);
    }

    [Fact]
    public void At_the_end_everything_is_given_back()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        var waiting = bench.Lend(0, TreeNode.OfLeaf(3));
        Assert.Equal(0, waiting.Lease.GivenBack);
        bench.Partition.Dispose();
        Assert.Equal(1, waiting.Lease.GivenBack);
        Assert.False(bench.Partition.Pull(new RecordingChannel(), 0));
        Assert.Equal(1, bench.Lend(0, TreeNode.OfLeaf(0)).Lease.GivenBack);
    }

    [Fact]
    public void A_version_that_a_worker_still_reads_outlives_the_partition()
    {
        var bench = new PartitionBench(FiveShards.Plan());
        var expected = bench.Parameters(0);
        var slow = new RecordingChannel { Slow = true };
        Assert.True(bench.Partition.Pull(slow, 0));
        bench.Partition.Dispose();
        var held = Assert.Single(slow.Held);
        Assert.Equal(expected, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(held.Bytes).ToArray());
        held.Release();
        Assert.Throws<ObjectDisposedException>(() => held.Bytes.Length);
    }
}
