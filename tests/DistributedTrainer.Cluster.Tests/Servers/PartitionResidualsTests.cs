using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Servers;

/// <summary>What was not sent yet of the shards' gradients is part of a version that is put aside.</summary>
public sealed class PartitionResidualsTests
{
    private static readonly TestExperiment Sparse = new() { Training = "{ epochs: 9, batch-size: 31, shards: 3, compression: { top-k: 0.1 } }" };

    [Fact]
    public void A_version_is_put_aside_with_the_residuals_of_all_shards_and_comes_back_with_them()
    {
        var plan = Sparse.Plan();
        var bench = new PartitionBench(plan);
        bench.PushAll(0);
        for (var shard = 0; shard < 3; shard++)
        {
            Assert.Null(Deposit(bench, 1, shard, shard + 0.5f));
        }

        bench.PushAll(1, ask: CheckpointAsk.Snapshot);
        Assert.Equal([2L], bench.Events.Snapshots);
        var vectors = bench.Snapshot(2);

        // Parameters, two vectors of Adam, three shards.
        Assert.Equal(6, vectors.Count);
        Assert.All(MemoryMarshal.Cast<byte, float>(vectors[4]).ToArray(), static value => Assert.Equal(1.5f, value));

        var restored = new PartitionBench(plan, start: new StartingPoint(2, default));
        Assert.Equal("the residual of shard 1 at version 2 is not here", Fetch(restored, 2, 1).Refusal);
        for (var vector = 0; vector < vectors.Count; vector++)
        {
            Assert.Null(restored.Restore(2, vector, vectors[vector]));
        }

        Assert.Equal(vectors[4], Fetch(restored, 2, 1).Bytes);
        Assert.Equal("the residual of shard 1 at version 3 is not here", Fetch(restored, 3, 1).Refusal);
        Assert.Equal("shard 3 has no residual", Fetch(restored, 2, 3).Refusal);
        bench.PushAll(2);
        restored.PushAll(2);
        Assert.Equal(bench.Parameters(3), restored.Parameters(3));
    }

    [Fact]
    public void A_version_whose_residuals_have_not_all_come_is_not_put_aside_and_the_next_one_may_be()
    {
        var options = new Experiments.CheckpointOptions { EverySteps = 1, EverySeconds = null };
        var plan = Sparse.Plan();
        var bench = new PartitionBench(plan, checkpoints: new CheckpointSchedule(options, plan.TotalSteps, TimeProvider.System));
        Deposit(bench, 0, 0, 1);
        Deposit(bench, 0, 2, 1);
        bench.PushAll(0, ask: CheckpointAsk.Snapshot);
        Assert.Empty(bench.Events.Snapshots);
        for (var shard = 0; shard < 3; shard++)
        {
            Deposit(bench, 1, shard, 1);
        }

        bench.PushAll(1, ask: CheckpointAsk.Snapshot);
        Assert.Equal([2L], bench.Events.Snapshots);
    }

    [Fact]
    public void What_does_not_belong_to_the_step_is_refused()
    {
        var bench = new PartitionBench(Sparse.Plan());
        Assert.Equal("the residual after step 1 is not expected at version 0", Deposit(bench, 1, 0, 1));
        Assert.Equal("generation 2 is not the current one, 1", Deposit(bench, 0, 0, 1, generation: 2));
        Assert.Equal("shard 3 has no residual", Deposit(bench, 0, 3, 1));
        Assert.Equal("shard 0 has no residual", Deposit(new PartitionBench(new TestExperiment().Plan()), 0, 0, 1));
        var header = Header(bench, 0, 0) with { PayloadBytes = 8 };
        Assert.True(bench.Partition.ReserveResidual(header, out var refusal).IsEmpty);
        Assert.EndsWith(" bytes, not 8", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_put_aside_at_the_end_says_that_nothing_can_follow_it()
    {
        var bench = new PartitionBench(Sparse.Plan());
        bench.PushAll(0);
        Assert.True(bench.Partition.TakeSnapshot(1));
        Assert.All(bench.Snapshot(1)[3..], static vector => Assert.True(float.IsNaN(MemoryMarshal.Cast<byte, float>(vector)[0])));
    }

    private static FrameHeader Header(PartitionBench bench, long step, int shard, long generation = 1) =>
        new() { Kind = FrameKind.Residual, Generation = generation, Step = step, Index = shard, PayloadBytes = bench.Partition.Range.Length * sizeof(float) };

    private static string? Deposit(PartitionBench bench, long step, int shard, float value, long generation = 1)
    {
        var header = Header(bench, step, shard, generation);
        var place = bench.Partition.ReserveResidual(header, out var refusal);
        if (refusal is null)
        {
            MemoryMarshal.Cast<byte, float>(place).Fill(value);
            bench.Partition.CompleteResidual(header);
        }

        return refusal;
    }

    private static (byte[] Bytes, string? Refusal) Fetch(PartitionBench bench, long version, int shard)
    {
        var channel = new RecordingChannel();
        var refusal = bench.Partition.SendResidual(channel, Header(bench, version, shard) with { Kind = FrameKind.PullResidual });
        return (refusal is null ? channel.Last.Payload : [], refusal);
    }
}
