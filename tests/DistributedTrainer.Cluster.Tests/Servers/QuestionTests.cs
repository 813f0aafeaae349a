using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Tests.Servers;

/// <summary>What a server answers to a worker that hears nothing, and what it makes of frames that come twice or too late.</summary>
public sealed class QuestionTests
{
    private readonly PartitionBench _bench = new(new TestExperiment
    {
        Layers = ["linear: 8", "batch-norm", "relu", "linear: 3"],
        Training = "{ epochs: 2, batch-size: 37, shards: 5 }",
    }.Plan());

    private readonly RecordingChannel _channel = new();
    private readonly ServerConnection _connection;

    public QuestionTests()
    {
        var served = new ServedRun
        {
            Partitions = new Dictionary<int, Partition> { [0] = _bench.Partition },
            Statistics = _bench.Statistics,
            LinkLost = static (_, _) => { },
        };
        _connection = new ServerConnection(() => served);
    }

    [Fact]
    public void A_question_is_answered_with_the_version_and_the_leaves_that_have_not_come()
    {
        Moments(0, 1, 4);
        Push(0, 1);
        Push(0, 4);
        Ask(1, number: 9);
        var (header, payload) = Assert.Single(_channel.Posted);
        Assert.Equal((FrameKind.Reply, 0, 0L, 9L, _bench.Plan.Token), (header.Kind, header.Partition, header.Step, header.Count, header.Run));
        Assert.Equal([0b01101], payload);
    }

    [Fact]
    public void Whoever_asks_for_the_next_version_gets_it_once()
    {
        Ask(1);
        Ask(1);
        All(0);
        Assert.Equal([FrameKind.Reply, FrameKind.Reply, FrameKind.Parameters], _channel.Posted.Select(static posted => posted.Header.Kind));
        Assert.Equal(1, _channel.Last.Header.Step);
    }

    [Fact]
    public void A_version_that_is_there_is_named_and_not_sent_unasked()
    {
        All(0);
        Ask(1);
        var (header, payload) = Assert.Single(_channel.Posted);
        Assert.Equal((FrameKind.Reply, 1L), (header.Kind, header.Step));
        Assert.Equal([0b11111], payload);
    }

    [Fact]
    public void An_empty_leaf_is_not_lacking_and_after_the_last_step_nothing_is()
    {
        for (var step = 0L; step < _bench.Plan.TotalSteps; step++)
        {
            if (step == 4)
            {
                // The epoch's last batch has two rows: three leaves have none.
                Ask(4);
                Assert.Equal([0b11000], _channel.Last.Payload);
            }

            All(step);
        }

        Ask(_bench.Plan.TotalSteps);
        Assert.Empty(_channel.Last.Payload);
    }

    [Theory]
    [InlineData(FrameKind.Request, 2)]
    [InlineData(FrameKind.Request, long.MaxValue)]
    [InlineData(FrameKind.Pull, 2)]
    [InlineData(FrameKind.Pull, long.MaxValue)]
    public void A_version_that_nobody_can_wait_for_is_refused(FrameKind kind, long version)
    {
        Send(new FrameHeader { Kind = kind, Flags = RequestFlags.Question, Step = version, Generation = 1 }, []);
        Assert.Equal(FrameKind.Refused, Assert.Single(_channel.Posted).Header.Kind);
        Assert.Equal($"version {version} is ahead of version 0", _channel.Text(0));
    }

    [Fact]
    public void A_gradient_that_has_overtaken_its_moments_is_not_taken_and_lacks_until_it_comes_again()
    {
        Push(0, 2);
        Assert.Empty(_channel.Posted);
        Ask(1);
        Assert.Equal([0b11111], _channel.Last.Payload);
        Moments(0, 2);
        Push(0, 2);
        Ask(1);
        Assert.Equal([0b11011], _channel.Last.Payload);
    }

    [Fact]
    public void A_lent_gradient_that_has_overtaken_its_moments_is_left_with_the_worker()
    {
        var header = _bench.Header(0, TreeNode.OfLeaf(2));
        using var lease = new FakeLease(_bench.Sum(0, TreeNode.OfLeaf(2)));
        Assert.False(_connection.Offer(_channel, header, lease));
        Moments(0, 2);
        Assert.True(_connection.Offer(_channel, header, lease));
    }

    [Fact]
    public void Everything_twice_gives_the_same_parameters()
    {
        for (var step = 0L; step < 6; step++)
        {
            All(step);
            All(step);
            if (step > 1)
            {
                All(step - 2);
            }
        }

        var quiet = new PartitionBench(_bench.Plan);
        for (var step = 0L; step < 6; step++)
        {
            for (var shard = 0; shard < 5; shard++)
            {
                Report(quiet.Statistics!, step, shard);
            }

            quiet.PushAll(step);
        }

        Assert.Equal(quiet.Parameters(6), _bench.Parameters(6));
        Assert.Empty(_channel.Posted);
    }

    [Fact]
    public void A_late_request_within_a_repeated_push_is_not_refused()
    {
        for (var step = 0L; step < 4; step++)
        {
            All(step);
        }

        Send(_bench.Header(0, TreeNode.OfLeaf(0)) with { Flags = PushFlags.WantsNext }, new byte[_bench.Partition.Range.Length * 4]);
        Assert.Empty(_channel.Posted);
    }

    private void Ask(long version, long number = 1) =>
        Send(new FrameHeader { Kind = FrameKind.Request, Flags = RequestFlags.Question, Step = version, Count = number, Generation = 1 }, []);

    private void All(long step)
    {
        for (var shard = 0; shard < 5; shard++)
        {
            if (_bench.Plan.Schedule.LeafRows(step, shard) > 0)
            {
                Moments(step, shard);
                Push(step, shard);
            }
        }
    }

    private void Push(long step, int shard) =>
        Send(_bench.Header(step, TreeNode.OfLeaf(shard), loss: 1.0 / (3 + shard + (7 * step))), MemoryMarshal.AsBytes(_bench.Sum(step, TreeNode.OfLeaf(shard)).AsSpan()).ToArray());

    private void Moments(long step, params int[] shards)
    {
        foreach (var shard in shards)
        {
            var (header, payload) = MomentsOf(step, shard);
            Send(header, payload);
        }
    }

    private void Report(StatisticsBoard board, long step, int shard)
    {
        if (_bench.Plan.Schedule.LeafRows(step, shard) > 0)
        {
            var (header, payload) = MomentsOf(step, shard);
            var place = board.Reserve(header, step, out _)!;
            payload.CopyTo(MemoryMarshal.AsBytes(place.Values.AsSpan()));
            board.Complete(_channel, header, place);
        }
    }

    private (FrameHeader Header, byte[] Payload) MomentsOf(long step, int shard)
    {
        var random = new Random((int)((step * 100) + shard));
        var values = Enumerable.Range(0, 16).Select(_ => random.NextDouble()).ToArray();
        var header = new FrameHeader { Kind = FrameKind.Statistics, Generation = 1, Step = step, Index = shard, Rows = _bench.Plan.RowsUnder(step, TreeNode.OfLeaf(shard)), PayloadBytes = 128 };
        return (header, MemoryMarshal.AsBytes(values.AsSpan()).ToArray());
    }

    // As a channel would.
    private void Send(FrameHeader header, byte[] payload)
    {
        header.PayloadBytes = payload.Length;
        header.Run = _bench.Plan.Token;
        var place = _connection.Reserve(_channel, header);
        if (place.Length == payload.Length)
        {
            payload.CopyTo(place);
            _connection.Complete(_channel, header);
        }
        else
        {
            Assert.Equal(0, place.Length);
        }
    }
}
