using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class PartitionSnapshotTests
{
    private static readonly TestExperiment Small = new() { Training = "{ epochs: 9, batch-size: 31, shards: 3 }" };

    [Fact]
    public void The_version_after_a_push_that_asks_for_it_is_put_aside_once()
    {
        var bench = new PartitionBench(Small.Plan());
        bench.PushAll(0);
        bench.Push(1, TreeNode.OfLeaf(0), ask: CheckpointAsk.Snapshot);
        bench.Push(1, TreeNode.OfLeaf(1));
        Assert.Empty(bench.Events.Snapshots);
        bench.Push(1, TreeNode.OfLeaf(2), ask: CheckpointAsk.Snapshot);
        bench.PushAll(2);
        Assert.Equal([2L], bench.Events.Snapshots);
        Assert.NotNull(bench.Partition.SnapshotVerdict(2));
        Assert.Null(bench.Partition.SnapshotVerdict(3));
    }

    [Fact]
    public void What_is_put_aside_is_not_changed_by_later_steps()
    {
        var bench = new PartitionBench(Small.Plan());
        bench.PushAll(0, ask: CheckpointAsk.Snapshot);
        var before = bench.Snapshot(1);
        Assert.Equal(3, before.Count);
        Enumerable.Range(1, 5).ToList().ForEach(step => bench.PushAll(step));
        Assert.Equal(before, bench.Snapshot(1));
        bench.PushAll(6, ask: CheckpointAsk.Snapshot);
        Assert.NotEqual(before, bench.Snapshot(7));
        Assert.Empty(bench.Snapshot(1));
    }

    [Theory]
    [InlineData("{ kind: sgd, learning-rate: 0.1 }", 1)]
    [InlineData("{ kind: momentum, learning-rate: 0.1 }", 2)]
    [InlineData("{ kind: adam, learning-rate: 0.01, weight-decay: 0.01 }", 3)]
    public void A_partition_that_begins_with_what_was_put_aside_trains_on_to_the_same_bits(string optimizer, int vectors)
    {
        var plan = (Small with { Optimizer = optimizer, Layers = ["linear: 8", "batch-norm", "relu", "linear: 6", "batch-norm", "linear: 3"] }).Plan();
        var bench = new PartitionBench(plan);
        Steps(bench, 0, 3, CheckpointAsk.Snapshot);
        var state = bench.Snapshot(3);
        Assert.Equal(vectors, state.Count);
        Steps(bench, 3, 9);
        var expected = bench.Parameters(9);
        Assert.Equal(plan.Model.Layout.Length + plan.Model.Buffers.Length, expected.Length);

        // In any order.
        foreach (var order in (int[][])[[.. Enumerable.Range(0, vectors)], [.. Enumerable.Range(0, vectors).Reverse()]])
        {
            var restored = Restoring(plan, 3);
            Assert.All(order, vector => Assert.Null(restored.Restore(3, vector, state[vector])));
            Assert.Equal(1, restored.Events.Restores);
            Steps(restored, 3, 9);
            Assert.Equal(expected, restored.Parameters(9));
            Assert.Equal(bench.Events.Applied[3..], restored.Events.Applied);
        }
    }

    [Theory]
    [InlineData("{ kind: sgd, learning-rate: 0.1 }", 1)]
    [InlineData("{ kind: adam, learning-rate: 0.01 }", 3)]
    public void What_is_averaged_is_put_aside_vector_by_vector_as_the_state_of_whole_steps_is(string optimizer, int vectors)
    {
        // A version each second step.
        var plan = (Small with { Optimizer = optimizer, Split = EarlyStopping().Split, Training = "{ epochs: 9, batch-size: 23, shards: 3, local-steps: 2, early-stopping: { patience: 4 } }" }).Plan();
        Assert.Equal([2L, 4L], [plan.After(0), plan.After(2)]);
        var bench = new PartitionBench(plan);
        bench.PushAll(0);
        bench.Verdict = new Verdict(0, 2);
        bench.PushAll(2, ask: CheckpointAsk.Snapshot);
        var state = bench.Snapshot(4);
        Assert.Equal(vectors + 1, state.Count);
        Assert.All(state, vector => Assert.Equal(plan.Model.Layout.Length * sizeof(float), vector.Length));
        Assert.Equal(bench.Parameters(4), state.Take(vectors).SelectMany(static vector => MemoryMarshal.Cast<byte, float>(vector).ToArray()));

        var restored = Restoring(plan, 4, bench.Verdict);
        Assert.NotNull(restored.Restore(4, 0, new byte[state[0].Length * vectors + 4]));
        for (var vector = vectors; vector >= 0; vector--)
        {
            Assert.False(restored.Partition.IsWhole);
            Assert.Null(restored.Restore(4, vector, state[vector]));
        }

        Assert.Equal(bench.Parameters(4), restored.Parameters(4));
        Assert.Equal(state[^1], MemoryMarshal.AsBytes(restored.Parameters(2).AsSpan(0, plan.Model.Layout.Length)).ToArray());
        foreach (var one in (PartitionBench[])[bench, restored])
        {
            one.PushAll(4, ask: CheckpointAsk.Snapshot);
        }

        Assert.Equal(bench.Snapshot(plan.After(4)), restored.Snapshot(plan.After(4)));
    }

    [Fact]
    public void The_best_version_is_put_aside_too_and_is_served_after_it_was_restored()
    {
        var plan = EarlyStopping().Plan();
        var bench = new PartitionBench(plan);
        Steps(bench, 0, 2);
        bench.Verdict = new Verdict(0, 2);
        Steps(bench, 2, 4, CheckpointAsk.Snapshot);
        var state = bench.Snapshot(4);
        Assert.Equal(4, state.Count);
        Assert.Equal(bench.Verdict, bench.Partition.SnapshotVerdict(4));
        Steps(bench, 4, 6);

        var restored = Restoring(plan, 4, bench.Verdict);
        Assert.False(restored.Partition.Pull(new RecordingChannel(), 2));
        for (var vector = 0; vector < 4; vector++)
        {
            Assert.False(restored.Partition.IsWhole);
            Assert.Null(restored.Restore(4, vector, state[vector]));
        }

        Assert.True(restored.Partition.IsWhole);
        Assert.Equal(bench.Parameters(2), restored.Parameters(2));
        Steps(restored, 4, 6);
        Assert.Equal(bench.Parameters(6), restored.Parameters(6));

        // And again from the restored one.
        Assert.True(restored.Partition.TakeSnapshot(6));
        Assert.True(bench.Partition.TakeSnapshot(6));
        Assert.Equal(bench.Snapshot(6), restored.Snapshot(6));
    }

    [Fact]
    public void What_the_next_steps_pushes_say_of_the_evaluation_does_not_belong_to_the_version()
    {
        var bench = new PartitionBench(EarlyStopping().Plan());
        Steps(bench, 0, 2);

        // Version 2 was evaluated as the best one; the step after it is not complete when everything ends.
        bench.Verdict = new Verdict(0, 2);
        bench.Push(2, TreeNode.OfLeaf(0));
        Assert.True(bench.Partition.TakeSnapshot(2));
        Assert.Equal(default(Verdict), bench.Partition.SnapshotVerdict(2));
        Assert.Equal(3, bench.Snapshot(2).Count);
    }

    [Fact]
    public void While_it_is_being_loaded_it_takes_no_push_and_answers_pulls_later()
    {
        var (plan, state) = StateOf(3);
        var bench = Restoring(plan, 3);
        var channel = new RecordingChannel();
        Assert.True(bench.Partition.Pull(channel, 3));
        Assert.True(bench.Partition.Pull(channel, 4));
        Assert.False(bench.Partition.Pull(channel, 2));
        Assert.False(bench.Partition.TakeSnapshot(3));
        Assert.Equal("step 3 is ahead of version 3", bench.Push(3, TreeNode.OfLeaf(0)));
        Assert.Empty(channel.Posted);
        for (var vector = 0; vector < state.Count; vector++)
        {
            Assert.Empty(channel.Posted);
            bench.Restore(3, vector, state[vector]);
        }

        Assert.Equal((FrameKind.Parameters, 3L), (Assert.Single(channel.Posted).Header.Kind, channel.Last.Header.Step));
        Assert.Equal(state[0], channel.Last.Payload);
        bench.PushAll(3);
        Assert.Equal([3L, 4L], channel.Posted.Select(static posted => posted.Header.Step));
    }

    [Theory]
    [InlineData("generation", "generation 2 is not the current one, 1")]
    [InlineData("step", "vector 1 of version 4 is not expected")]
    [InlineData("vector", "vector 3 of version 3 is not expected")]
    [InlineData("negative vector", "vector -1 of version 3 is not expected")]
    [InlineData("again", "vector 0 of version 3 is not expected")]
    [InlineData("length", "vector 1 of partition 0 has")]
    public void A_vector_that_is_not_expected_is_refused_without_harm(string what, string reason)
    {
        var (plan, state) = StateOf(3);
        var bench = Restoring(plan, 3);
        bench.Restore(3, 0, state[0]);
        var refusal = what switch
        {
            "generation" => bench.Restore(3, 1, state[1], generation: 2),
            "step" => bench.Restore(4, 1, state[1]),
            "vector" => bench.Restore(3, 3, state[1]),
            "negative vector" => bench.Restore(3, -1, state[1]),
            "again" => bench.Restore(3, 0, new byte[state[0].Length]),
            _ => bench.Restore(3, 1, state[1][4..]),
        };
        Assert.StartsWith(reason, refusal, StringComparison.Ordinal);
        Assert.False(bench.Partition.IsWhole);
        Assert.Null(bench.Restore(3, 1, state[1]));
        Assert.Null(bench.Restore(3, 2, state[2]));
        Assert.True(bench.Partition.TakeSnapshot(3));
        Assert.Equal(state, bench.Snapshot(3));
        Assert.Equal("partition 0 is not being loaded", bench.Restore(3, 1, state[1]));
    }

    [Fact]
    public void A_vector_whose_payload_never_comes_whole_can_come_again()
    {
        var (plan, state) = StateOf(3);
        var bench = Restoring(plan, 3);
        var incoming = bench.Partition.ReserveRestore(new FrameHeader { Generation = 1, Step = 3, PayloadBytes = state[0].Length }, out _)!;
        incoming.Bytes.Fill(7);
        incoming.Dispose();
        Assert.All(Enumerable.Range(0, 3), vector => Assert.Null(bench.Restore(3, vector, state[vector])));
        Assert.True(bench.Partition.TakeSnapshot(3));
        Assert.Equal(state, bench.Snapshot(3));
    }

    [Fact]
    public void A_vector_that_is_under_way_while_the_partition_ends_is_written_to_memory_that_nobody_else_has()
    {
        var (plan, state) = StateOf(3);
        var bench = Restoring(plan, 3);
        var incoming = bench.Partition.ReserveRestore(new FrameHeader { Generation = 1, Step = 3, PayloadBytes = state[0].Length }, out _)!;
        bench.Partition.Dispose();
        using var other = new PartitionBench(plan).Partition;
        incoming.Bytes.Fill(7);
        bench.Partition.CompleteRestore(incoming);
        Assert.Equal(0, bench.Events.Restores);
        Assert.Equal("partition 0 is not being loaded", bench.Restore(3, 0, state[0]));
        Assert.False(bench.Partition.Pull(new RecordingChannel(), 3));

        // Now it was given back.
        Assert.Throws<ObjectDisposedException>(() => { _ = incoming.Bytes; });
    }

    [Fact]
    public void After_the_last_snapshot_nothing_is_applied_until_a_fence_lets_it_go_on()
    {
        var (bench, other) = (new PartitionBench(Small.Plan()), new PartitionBench(Small.Plan()));
        bench.PushAll(0);
        bench.PushAll(1, ask: CheckpointAsk.Snapshot | CheckpointAsk.Last);
        Assert.Equal([2L], bench.Events.Snapshots);
        bench.PushAll(2);
        Assert.Equal(2, bench.Partition.Version);
        Assert.Equal((2L, 2L), bench.Partition.Fence(2));
        bench.PushAll(2, generation: 2);
        Assert.Equal(3, bench.Partition.Version);
        Enumerable.Range(0, 3).ToList().ForEach(step => other.PushAll(step));
        Assert.Equal(other.Parameters(3), bench.Parameters(3));
    }

    [Fact]
    public void A_push_that_is_under_way_when_the_last_snapshot_is_taken_is_dropped()
    {
        var bench = new PartitionBench(Small.Plan());
        bench.PushAll(0, ask: CheckpointAsk.Snapshot | CheckpointAsk.Last);
        var (lease, _, refusal) = bench.Lend(1, TreeNode.OfLeaf(0));
        Assert.Equal((1, null), (lease.GivenBack, refusal));
        Assert.Equal(1, bench.Partition.Version);
    }

    [Fact]
    public void Only_the_current_version_can_be_taken()
    {
        var bench = new PartitionBench(Small.Plan());
        Enumerable.Range(0, 2).ToList().ForEach(step => bench.PushAll(step));
        Assert.False(bench.Partition.TakeSnapshot(1));
        Assert.False(bench.Partition.TakeSnapshot(3));
        Assert.True(bench.Partition.TakeSnapshot(2));
        Assert.True(bench.Partition.TakeSnapshot(2));
        Assert.Empty(bench.Events.Snapshots);
        bench.Partition.Dispose();
        Assert.False(bench.Partition.TakeSnapshot(2));
    }

    [Fact]
    public void Why_a_vector_of_a_snapshot_cannot_be_had_is_said()
    {
        var bench = new PartitionBench(Small.Plan());
        bench.PushAll(0, ask: CheckpointAsk.Snapshot);
        Assert.Equal("version 2 of partition 0 is not put aside", Ask(2, 0));
        Assert.Equal("vector 3 of partition 0 does not exist; there are 3", Ask(1, 3));
        Assert.Equal("vector -1 of partition 0 does not exist; there are 3", Ask(1, -1));
        bench.Partition.ForgetSnapshot(0);
        Assert.Null(Ask(1, 0));
        bench.Partition.ForgetSnapshot(1);
        Assert.Equal("version 1 of partition 0 is not put aside", Ask(1, 0));

        string? Ask(long version, long vector) => bench.Partition.SendSnapshot(new RecordingChannel(), new FrameHeader { Step = version, Count = vector });
    }

    [Fact]
    public void The_memory_of_snapshots_is_used_again()
    {
        var bench = new PartitionBench((Small with { Training = "{ epochs: 30, batch-size: 31, shards: 3 }" }).Plan());
        var channel = new RecordingChannel { Slow = true };
        var seen = new HashSet<IPayload>(ReferenceEqualityComparer.Instance);
        for (var step = 0; step < 100; step++)
        {
            bench.PushAll(step, ask: CheckpointAsk.Snapshot);
            for (var vector = 0; vector < 3; vector++)
            {
                Assert.Null(bench.Partition.SendSnapshot(channel, new FrameHeader { Step = step + 1, Count = vector }));
            }

            bench.Partition.ForgetSnapshot(step + 1);
            Assert.All(channel.Held, payload => seen.Add(payload));
            channel.Held.ForEach(static payload => payload.Release());
            channel.Held.Clear();
        }

        // A version that is kept and one that is made; and of each state vector one copy.
        Assert.Equal(2 + 2, seen.Count);
    }

    [Fact]
    public void A_snapshot_that_is_being_sent_outlives_its_partition()
    {
        var bench = new PartitionBench(Small.Plan());
        bench.PushAll(0, ask: CheckpointAsk.Snapshot);
        var expected = bench.Snapshot(1);
        var channel = new RecordingChannel { Slow = true };
        Assert.All(Enumerable.Range(0, 3), vector => Assert.Null(bench.Partition.SendSnapshot(channel, new FrameHeader { Step = 1, Count = vector })));
        bench.Partition.Dispose();
        Assert.Equal(expected, channel.Held.Select(static payload => payload.Bytes.ToArray()));
        channel.Held.ForEach(static payload => payload.Release());
        Assert.Throws<ObjectDisposedException>(() => { _ = channel.Held[1].Bytes; });
    }

    [Fact]
    public void The_lead_partitions_versions_say_when_a_checkpoint_is_due()
    {
        var plan = Small.Plan();
        var schedule = new CheckpointSchedule(new CheckpointOptions { EverySteps = 2, EverySeconds = null }, plan.TotalSteps, TimeProvider.System);
        var bench = new PartitionBench(plan, checkpoints: schedule);
        Assert.Equal([CheckpointAsk.None, CheckpointAsk.Snapshot, CheckpointAsk.None], Enumerable.Range(0, 3).Select(Asked));

        // Until it is written there is no other.
        Assert.Equal([CheckpointAsk.None, CheckpointAsk.None], Enumerable.Range(3, 2).Select(Asked));
        bench.Partition.ForgetSnapshot(2);
        Assert.Equal(CheckpointAsk.Snapshot, Asked(5));
        bench.Partition.AskCheckpoint(last: true);
        Assert.Equal(CheckpointAsk.Snapshot | CheckpointAsk.Last, Asked(6));

        CheckpointAsk Asked(int version)
        {
            var channel = new RecordingChannel();
            if (version > 0)
            {
                bench.PushAll(version - 1);
            }

            Assert.True(bench.Partition.Pull(channel, version));
            return (CheckpointAsk)channel.Last.Header.Flags;
        }
    }

    private static TestExperiment EarlyStopping() =>
        Small with { Split = "{ validation: 0.2 }", Training = "{ epochs: 9, batch-size: 31, shards: 3, early-stopping: { patience: 3 } }" };

    private static void Steps(PartitionBench bench, long from, long until, CheckpointAsk lastAsks = CheckpointAsk.None)
    {
        for (var step = from; step < until; step++)
        {
            bench.PushStatistics(step);
            bench.PushAll(step, ask: step == until - 1 ? lastAsks : CheckpointAsk.None);
            Assert.Equal(step + 1, bench.Partition.Version);
        }
    }

    private static PartitionBench Restoring(TrainingPlan plan, long version, Verdict verdict = default) =>
        new(plan, start: new StartingPoint(version, verdict)) { Verdict = verdict };

    private static (TrainingPlan Plan, List<byte[]> State) StateOf(long version)
    {
        var bench = new PartitionBench(Small.Plan());
        Steps(bench, 0, version, CheckpointAsk.Snapshot);
        return (bench.Plan, bench.Snapshot(version));
    }
}
