using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Tests.Servers;

/// <summary>Sums that are sent before they are judged are kept until their worker says what became of them.</summary>
public sealed class OpenSumsTests
{
    private static readonly TestExperiment TwoShards = new() { Training = "{ epochs: 2, batch-size: 30, shards: 2, non-finite: skip }" };
    private static readonly TreeNode First = TreeNode.OfLeaf(0);
    private static readonly TreeNode Second = TreeNode.OfLeaf(1);

    private readonly PartitionBench _bench = new(TwoShards.Plan());

    [Fact]
    public void An_open_sum_is_taken_when_it_is_closed_and_gives_the_bits_of_one_that_came_whole()
    {
        Open(First, 0.25f);
        _bench.Push(0, Second);
        Assert.Equal(0, _bench.Partition.Version);
        Assert.Null(Close(First));
        Assert.Equal(1, _bench.Partition.Version);

        var whole = new PartitionBench(TwoShards.Plan());
        var header = whole.Header(0, First);
        var buffer = whole.Partition.Reserve(header, out _)!;
        buffer.Own.Fill(0.25f);
        whole.Partition.Complete(header, buffer);
        whole.Push(0, Second);
        Assert.Equal(whole.Parameters(1), _bench.Parameters(1));
    }

    [Fact]
    public void What_closes_it_says_whether_the_step_is_finite()
    {
        Open(First, 0.25f);
        _bench.Push(0, Second);
        Assert.Null(Close(First, LeafFault.NotFinite));
        Assert.Equal([0], _bench.Events.Skipped);
    }

    [Fact]
    public void A_sum_that_was_lost_is_asked_for_and_comes_whole()
    {
        _bench.Push(0, Second);
        Assert.Null(Close(First));
        Assert.Equal(0, _bench.Partition.Version);
        var channel = new RecordingChannel();
        _bench.Partition.Ask(channel, new FrameHeader { Kind = FrameKind.Request, Flags = RequestFlags.Question, Step = 1, Count = 1 });
        Assert.Equal([1], channel.Last.Payload);
        _bench.Push(0, First);
        Assert.Equal(1, _bench.Partition.Version);
    }

    [Fact]
    public void Whoever_only_opened_it_is_asked_for_it_too()
    {
        Open(First, 0.25f);
        var channel = new RecordingChannel();
        _bench.Partition.Ask(channel, new FrameHeader { Kind = FrameKind.Request, Flags = RequestFlags.Question, Step = 1, Count = 1 });
        Assert.Equal([3], channel.Last.Payload);
    }

    [Fact]
    public void A_new_generation_forgets_open_sums_and_refuses_what_closes_them()
    {
        Open(First, 0.25f);
        _bench.Partition.Fence(2);
        _bench.Push(0, Second, generation: 2);
        Assert.Contains("generation 1 is not the current one", Close(First), StringComparison.Ordinal);
        Assert.Null(Close(First, generation: 2));
        Assert.Equal(0, _bench.Partition.Version);
    }

    [Fact]
    public void Repetitions_change_nothing()
    {
        Open(First, 0.25f);
        Open(First, 0.25f);
        Assert.Null(Close(First));
        Assert.Null(Close(First));
        Assert.Null(_bench.Partition.Reserve(_bench.Header(0, First) with { Flags = PushFlags.Open }, out var refusal));
        Assert.Null(refusal);
        _bench.Push(0, Second);
        Assert.Equal(1, _bench.Partition.Version);
        Assert.Null(Close(First));
        Assert.Single(_bench.Events.Applied);
    }

    [Fact]
    public void What_does_not_fit_is_refused_by_name()
    {
        Assert.Contains("has 15 rows, not 14", _bench.Partition.Close(Closing(First) with { Rows = 14 }), StringComparison.Ordinal);
        Assert.Contains("is ahead of version 0", _bench.Partition.Close(Closing(First) with { Step = 1 }), StringComparison.Ordinal);
        _bench.Partition.Reserve(_bench.Header(0, First) with { Flags = PushFlags.Open, PayloadBytes = 4 }, out var refusal);
        Assert.Contains("does not fit", refusal, StringComparison.Ordinal);
    }

    private void Open(TreeNode node, float value)
    {
        var header = _bench.Header(0, node) with { Flags = PushFlags.Open };
        var buffer = _bench.Partition.Reserve(header, out var refusal);
        Assert.Null(refusal);
        buffer!.Own.Fill(value);
        _bench.Partition.Complete(header, buffer);
    }

    private string? Close(TreeNode node, LeafFault fault = LeafFault.None, long generation = 1) => _bench.Partition.Close(Closing(node, fault, generation));

    private FrameHeader Closing(TreeNode node, LeafFault fault = LeafFault.None, long generation = 1) =>
        _bench.Header(0, node, generation) with { Flags = (byte)(PushFlags.Open | PushFlags.Carry(fault)), PayloadBytes = 0 };
}
