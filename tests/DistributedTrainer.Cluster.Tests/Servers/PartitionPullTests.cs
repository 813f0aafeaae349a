using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class PartitionPullTests
{
    private static readonly TestExperiment Experiment = new() { Training = "{ epochs: 2, batch-size: 30, shards: 3 }" };

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
        Assert.Equal(expected, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(held.Bytes).ToArray());
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
