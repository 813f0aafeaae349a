using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class PartitionRangeTests
{
    [Fact]
    public void Each_partition_updates_its_own_range_as_the_whole_vector_would_be()
    {
        var experiment = new TestExperiment
        {
            Training = "{ epochs: 2, batch-size: 31, shards: 5 }",
            Layers = ["linear: 64", "relu", "linear: 128", "relu", "linear: 3"],
            Partitions = 3,
            Optimizer = "{ kind: adam, learning-rate: 0.01, weight-decay: 0.1 }",
        };
        var plan = experiment.Plan();
        Assert.Equal(3, plan.Ranges.Count);
        var whole = (experiment with { Partitions = 1 }).Plan();
        var all = new Partition(whole, whole.Ranges[0], 1, new StatisticsBoard(whole), new RecordedEvents());
        var gradient = Enumerable.Range(0, whole.Ranges[0].Length).Select(static i => MathF.Sin(i)).ToArray();
        PushConstant(all, whole, gradient);
        foreach (var range in plan.Ranges)
        {
            var part = new Partition(plan, range, 1, range.Id == 0 ? new StatisticsBoard(plan) : null, new RecordedEvents());
            PushConstant(part, plan, gradient.AsSpan(range.Offset, range.Length));
            Assert.Equal(Pulled(all).AsSpan(range.Offset, range.Length).ToArray(), Pulled(part));
        }
    }

    private static float[] Pulled(Partition partition)
    {
        var channel = new RecordingChannel();
        partition.Pull(channel, 1);
        return channel.Floats(0);
    }

    private static void PushConstant(Partition partition, TrainingPlan plan, ReadOnlySpan<float> gradient)
    {
        var root = new FixedTree(plan.Shards).Root;
        var header = new FrameHeader
        {
            Kind = FrameKind.Push,
            Generation = 1,
            Level = root.Level,
            Rows = plan.RowsUnder(0, root),
            Sum = 1,
            PayloadBytes = partition.Range.Length * sizeof(float),
        };
        var buffer = partition.Reserve(header, out var refusal);
        Assert.Null(refusal);
        gradient.CopyTo(buffer!.Own);
        partition.Complete(header, buffer);
    }
}
