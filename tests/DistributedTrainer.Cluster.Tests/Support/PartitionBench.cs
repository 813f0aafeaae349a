using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>What a partition told.</summary>
internal sealed class RecordedEvents : IPartitionEvents
{
    public List<(long Step, double Loss, int Rows)> Applied { get; } = [];

    public List<(long Step, string Reason)> Failures { get; } = [];

    public void StepApplied(long step, double lossSum, int rows, float learningRate, bool skipped)
    {
        Applied.Add((step, lossSum, rows));
        if (skipped)
        {
            Skipped.Add(step);
        }
    }

    /// <summary>Steps that were left out.</summary>
    public List<long> Skipped { get; } = [];

    /// <summary>Steps that nothing follows.</summary>
    public List<long> NotFinites { get; } = [];

    /// <summary>Steps whose gradient was measured, with their rows.</summary>
    public List<(long Step, int Rows, double[] Squares)> Measures { get; } = [];

    public void Measured(long step, int rows, double[] squares) => Measures.Add((step, rows, squares));

    public void NotFinite(long step) => NotFinites.Add(step);

    public void Failed(long step, string reason) => Failures.Add((step, reason));

    /// <summary>Versions that were put aside.</summary>
    public List<long> Snapshots { get; } = [];

    /// <summary>How often all of a state had come.</summary>
    public int Restores { get; private set; }

    public void SnapshotTaken(long version) => Snapshots.Add(version);

    public void Restored() => Restores++;
}

/// <summary>One partition on the bench, with gradients that are made up but the same for the same leaf and step.</summary>
internal sealed class PartitionBench
{
    public PartitionBench(TrainingPlan plan, int partition = 0, long generation = 1, StartingPoint start = default, CheckpointSchedule? checkpoints = null, IPartitionEvents? events = null, VersionMemory? memory = null)
    {
        Plan = plan;
        Statistics = partition == 0 ? new StatisticsBoard(plan) : null;
        Partition = new Partition(plan, plan.Ranges[partition], generation, Statistics, events ?? Events, start, checkpoints, memory: memory);
    }

    public TrainingPlan Plan { get; }

    public StatisticsBoard? Statistics { get; }

    public RecordedEvents Events { get; } = new();

    public Partition Partition { get; }

    /// <summary>What each push says of the evaluations before its step.</summary>
    public Verdict Verdict { get; set; }

    public FrameHeader Header(long step, TreeNode node, long generation = 1, double loss = 1) => new()
    {
        Kind = FrameKind.Push,
        Run = Plan.Token,
        Generation = generation,
        Step = step,
        Partition = Partition.Range.Id,
        Level = node.Level,
        Index = node.Index,
        Rows = Plan.RowsUnder(step, node),
        Sum = loss,
        Count = Verdict.Packed,
        PayloadBytes = Plan.WidthOf(Partition.Range) * sizeof(float),
    };

    /// <summary>Pushes a node; returns the refusal, if any.</summary>
    public string? Push(long step, TreeNode node, long generation = 1, double? loss = null, CheckpointAsk ask = CheckpointAsk.None, LeafFault fault = LeafFault.None)
    {
        var header = Header(step, node, generation, loss ?? LossUnder(step, node)) with { Flags = (byte)(PushFlags.Carry(ask) | PushFlags.Carry(fault)) };
        var buffer = Partition.Reserve(header, out var refusal);
        if (buffer is not null)
        {
            Sum(step, node).CopyTo(buffer.Own);
            Partition.Complete(header, buffer);
        }

        return refusal;
    }

    /// <summary>Pushes a node that is read in place; returns what the partition reads, and the refusal, if any.</summary>
    public (FakeLease Lease, float[] Values, string? Refusal) Lend(long step, TreeNode node, long generation = 1)
    {
        var values = Sum(step, node);
        var lease = new FakeLease(values);
        return (lease, values, Partition.Accept(Header(step, node, generation, LossUnder(step, node)), lease));
    }

    public void PushAll(long step, long generation = 1, CheckpointAsk ask = CheckpointAsk.None)
    {
        for (var shard = 0; shard < Plan.Shards; shard++)
        {
            if (Plan.LeafRows(step, shard) > 0)
            {
                Assert.Null(Push(step, TreeNode.OfLeaf(shard), generation, ask: ask));
            }
        }
    }

    /// <summary>The parameters of a version that is there.</summary>
    public float[] Parameters(long version)
    {
        var channel = new RecordingChannel();
        Assert.True(Partition.Pull(channel, version));
        return channel.Floats(0);
    }

    /// <summary>All vectors of what was put aside of a version.</summary>
    public List<byte[]> Snapshot(long version)
    {
        var vectors = new List<byte[]>();
        var channel = new RecordingChannel();
        while (Partition.SendSnapshot(channel, new FrameHeader { Kind = FrameKind.PullSnapshot, Step = version, Count = vectors.Count }) is null)
        {
            Assert.Equal((FrameKind.Snapshot, version, (long)vectors.Count), (channel.Last.Header.Kind, channel.Last.Header.Step, channel.Last.Header.Count));
            vectors.Add(channel.Last.Payload);
        }

        return vectors;
    }

    /// <summary>Brings one vector of a state; returns the refusal, if any.</summary>
    public string? Restore(long version, int vector, byte[] bytes, long generation = 1)
    {
        var incoming = Partition.ReserveRestore(
            new FrameHeader { Kind = FrameKind.Restore, Generation = generation, Step = version, Partition = Partition.Range.Id, Count = vector, PayloadBytes = bytes.Length }, out var refusal);
        Assert.Equal(incoming is null, refusal is not null);
        if (incoming is not null)
        {
            bytes.CopyTo(incoming.Bytes);
            Partition.CompleteRestore(incoming);
        }

        return refusal;
    }

    /// <summary>The moments of all batch-norm layers, made up but the same for the same step.</summary>
    public void PushStatistics(long step)
    {
        for (var shard = 0; Statistics is not null && shard < Plan.Shards; shard++)
        {
            foreach (var slot in Plan.Model.BatchNorms.Where(_ => Plan.Schedule.LeafRows(step, shard) > 0))
            {
                var header = new FrameHeader { Kind = FrameKind.Statistics, Step = step, Index = shard, Rows = Plan.RowsUnder(step, TreeNode.OfLeaf(shard)), Count = slot.Index, PayloadBytes = 2 * slot.Channels * sizeof(double) };
                var sums = Statistics.Reserve(header, step, out var refusal);
                Assert.Null(refusal);
                var random = new Random((int)((step * 1000) + shard));
                foreach (ref var value in sums!.Values.AsSpan())
                {
                    value = random.NextDouble() + 0.5;
                }

                Statistics.Complete(new RecordingChannel(), header, sums);
            }
        }
    }

    private static double LossOf(long step, int leaf) => 1.0 / (3 + leaf + (7 * step));

    private double LossUnder(long step, TreeNode node) => Under(step, node, LossOf, static (left, right) => left + right);

    public float[] Sum(long step, TreeNode node) => Under(step, node, Gradient, static (left, right) => [.. left.Zip(right, static (x, y) => x + y)]);

    // The sum as the tree defines it, written down once more.
    private T Under<T>(long step, TreeNode node, Func<long, int, T> leaf, Func<T, T, T> add)
    {
        if (node.Level == 0)
        {
            return leaf(step, node.Index);
        }

        if (Plan.RowsUnder(step, node.Right) == 0)
        {
            return Under(step, node.Left, leaf, add);
        }

        return Plan.RowsUnder(step, node.Left) == 0
            ? Under(step, node.Right, leaf, add)
            : add(Under(step, node.Left, leaf, add), Under(step, node.Right, leaf, add));
    }

    private float[] Gradient(long step, int leaf)
    {
        var random = new Random((int)((step * 1000) + leaf));
        return [.. Enumerable.Range(0, Plan.WidthOf(Partition.Range)).Select(_ => (float)(random.NextDouble() - 0.5))];
    }
}
