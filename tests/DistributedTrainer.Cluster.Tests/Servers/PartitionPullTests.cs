using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class PartitionPullTests
{
    private static readonly TestExperiment Experiment = new() { Training = "{ epochs: 2, batch-size: 30, shards: 3 }" };

    // Some 8,700 parameters: blocks for three partitions.
    private static readonly TestExperiment Wide = Experiment with { Layers = ["linear: 64", "relu", "linear: 128", "relu", "linear: 3"] };

    [Fact]
    public void A_pull_for_the_next_version_waits_and_is_answered()
    {
        var bench = new PartitionBench(Experiment.Plan());
        var channel = new RecordingChannel();
        Assert.True(bench.Partition.Pull(channel, 1));
        Assert.Empty(channel.Posted);
        bench.PushAll(0);
        var (header, payload) = Assert.Single(channel.Posted);
        Assert.Equal((FrameKind.Parameters, 1L, 0, bench.Plan.Token), (header.Kind, header.Step, header.Partition, header.Run));
        Assert.Equal(payload.Length, header.PayloadBytes);
        Assert.Equal(bench.Parameters(1), channel.Floats(0));
    }

    [Fact]
    public void The_previous_version_is_kept_and_the_one_before_is_not()
    {
        var bench = new PartitionBench(Experiment.Plan());
        bench.PushAll(0);
        var first = bench.Parameters(1);
        bench.PushAll(1);
        Assert.Equal(first, bench.Parameters(1));
        Assert.NotEqual(first, bench.Parameters(2));
        Assert.False(bench.Partition.Pull(new RecordingChannel(), 0));
    }

    [Fact]
    public void Versions_of_the_partitions_of_a_server_lie_one_behind_the_other()
    {
        var plan = (Wide with { Partitions = 3 }).Plan();
        Assert.Equal(3, plan.Ranges.Count);
        var memory = new VersionMemory(plan, [2, 0, 1]);
        var benches = plan.Ranges.Select(range => new PartitionBench(plan, range.Id, memory: memory)).ToArray();
        for (var step = 0; step < 4; step++)
        {
            for (var p = 1; p < benches.Length; p++)
            {
                ref readonly var behind = ref Unsafe.Add(ref Unsafe.AsRef(in First(benches[p - 1], step)), plan.Ranges[p - 1].Length * sizeof(float));
                Assert.True(Unsafe.AreSame(in behind, in First(benches[p], step)), $"partition {p} of version {step}");
            }

            Array.ForEach(benches, bench => bench.PushAll(step));
        }

        // What a worker still reads is not overwritten: then a version lies elsewhere.
        var reader = new RecordingChannel { Slow = true };
        benches[1].Partition.Pull(reader, 4);
        var expected = benches[1].Parameters(4);
        for (var step = 4; step < 8; step++)
        {
            Array.ForEach(benches, bench => bench.PushAll(step));
        }

        Assert.Equal(expected, MemoryMarshal.Cast<byte, float>(reader.Held[0].Bytes).ToArray());
        reader.Held[0].Release();
        Array.ForEach(benches, static bench => bench.Partition.Dispose());
    }

    private static ref readonly byte First(PartitionBench bench, long version)
    {
        var channel = new RecordingChannel { Slow = true };
        Assert.True(bench.Partition.Pull(channel, version));
        channel.Held[0].Release();
        return ref First(channel.Held[0]);
    }

    private static ref readonly byte First(IPayload payload) => ref MemoryMarshal.GetReference(payload.Bytes);

    [Fact]
    public void A_closed_channel_waits_for_nothing()
    {
        var bench = new PartitionBench(Experiment.Plan());
        var (closed, open) = (new RecordingChannel(), new RecordingChannel());
        bench.Partition.Pull(closed, 1);
        bench.Partition.Pull(open, 1);
        bench.Partition.Forget(closed);
        bench.PushAll(0);
        Assert.Empty(closed.Posted);
        Assert.Single(open.Posted);
    }

    [Fact]
    public void A_pull_that_is_repeated_is_answered_once()
    {
        var bench = new PartitionBench(Experiment.Plan());
        var channel = new RecordingChannel();
        bench.Partition.Pull(channel, 1);
        bench.Partition.Pull(channel, 1);
        bench.PushAll(0);
        Assert.Single(channel.Posted);
    }

    [Fact]
    public void A_version_that_a_slow_worker_still_reads_is_not_overwritten()
    {
        var bench = new PartitionBench(Experiment.Plan());
        var slow = new RecordingChannel { Slow = true };
        bench.PushAll(0);
        bench.Partition.Pull(slow, 1);
        var expected = bench.Parameters(1);
        for (var step = 1L; step < 8; step++)
        {
            bench.PushAll(step);
        }

        var held = Assert.Single(slow.Held);
        Assert.Equal(expected, MemoryMarshal.Cast<byte, float>(held.Bytes).ToArray());
        held.Release();
    }

    [Fact]
    public void The_lead_partition_sends_the_running_statistics_behind_its_parameters()
    {
        var plan = (Experiment with { Layers = ["linear: 8", "batch-norm", "relu", "linear: 3"] }).Plan();
        var values = new PartitionBench(plan).Parameters(0);
        Assert.Equal(plan.Model.Layout.Length + 16, values.Length);
        Assert.Equal([.. Enumerable.Repeat(0f, 8), .. Enumerable.Repeat(1f, 8)], values[^16..]);
    }
}
