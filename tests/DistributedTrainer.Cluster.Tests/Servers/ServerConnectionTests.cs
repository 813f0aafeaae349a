using System.Text;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class ServerConnectionTests
{
    private readonly PartitionBench _bench = new(new TestExperiment { Training = "{ epochs: 2, batch-size: 30, shards: 3 }", Split = "{ validation: 0.2, test: 0.2 }" }.Plan());
    // The model has eight units of relu.
    private readonly int _bytes = EvaluationSums.BytesFor(8);
    private readonly List<(string Worker, string Reason)> _lost = [];
    private readonly List<(long Version, SetSums Validation)> _evaluated = [];
    private readonly RecordingChannel _channel = new();
    private readonly ServerConnection _connection;
    private ServedRun? _served;

    public ServerConnectionTests()
    {
        _served = ServedBy(_bench);
        _connection = new ServerConnection(() => _served);
    }

    [Fact]
    public void A_worker_that_named_itself_is_reported_when_its_connection_closes()
    {
        Send(new FrameHeader { Kind = FrameKind.Request }, Encoding.UTF8.GetBytes("node/0"));
        _connection.Closed(_channel, "gone");
        Assert.Equal(("node/0", "gone"), Assert.Single(_lost));
    }

    [Fact]
    public void A_connection_without_a_name_is_nobodys()
    {
        _connection.Closed(_channel, "gone");
        Assert.Empty(_lost);
    }

    [Fact]
    public void A_closed_connection_gets_no_parameters()
    {
        Send(new FrameHeader { Kind = FrameKind.Pull, Step = 1 }, []);
        _connection.Closed(_channel, "gone");
        _bench.PushAll(0);
        Assert.Empty(_channel.Posted);
    }

    [Fact]
    public void Pushes_reach_the_partition()
    {
        for (var shard = 0; shard < 3; shard++)
        {
            Send(_bench.Header(0, TreeNode.OfLeaf(shard)), new byte[_bench.Partition.Range.Length * 4]);
        }

        Assert.Equal(1, _bench.Partition.Version);
        Assert.Empty(_channel.Posted);
    }

    [Fact]
    public void A_state_reaches_the_partition_that_is_being_loaded()
    {
        var (bench, vectors) = Loading();
        for (var vector = 0; vector < vectors.Count; vector++)
        {
            Assert.False(bench.Partition.IsWhole);
            Send(RestoreHeader(vector), vectors[vector]);
        }

        Assert.True(bench.Partition.IsWhole);
        Send(new FrameHeader { Kind = FrameKind.Pull, Step = 1 }, []);
        Assert.Equal(vectors[0], Assert.Single(_channel.Posted).Payload);
        Send(RestoreHeader(0), vectors[0]);
        Assert.Equal("partition 0 is not being loaded", _channel.Text(1));
    }

    [Fact]
    public void A_vector_that_is_under_way_when_the_partition_is_replaced_does_not_count_for_the_new_one()
    {
        var (first, vectors) = Loading();
        vectors[0].CopyTo(_connection.Reserve(_channel, RestoreHeader(0) with { PayloadBytes = vectors[0].Length }));
        var (second, _) = Loading();
        first.Partition.Dispose();
        _connection.Complete(_channel, RestoreHeader(0) with { PayloadBytes = vectors[0].Length });
        Send(RestoreHeader(1), vectors[1]);
        Send(RestoreHeader(2), vectors[2]);
        Assert.False(second.Partition.IsWhole);
        Send(RestoreHeader(0), vectors[0]);
        Assert.True(second.Partition.IsWhole);
        Assert.Empty(_channel.Posted);
    }

    [Fact]
    public void A_vector_that_breaks_off_comes_again()
    {
        var (bench, vectors) = Loading();
        _connection.Reserve(_channel, RestoreHeader(0) with { PayloadBytes = vectors[0].Length })[0] = 7;
        _connection.Abandoned(_channel, RestoreHeader(0));
        Enumerable.Range(0, 3).ToList().ForEach(vector => Send(RestoreHeader(vector), vectors[vector]));
        Assert.True(bench.Partition.IsWhole);
    }

    [Fact]
    public void What_is_put_aside_is_sent_and_what_is_not_is_refused()
    {
        _bench.PushAll(0, ask: CheckpointAsk.Snapshot);
        Send(new FrameHeader { Kind = FrameKind.PullSnapshot, Step = 1, Count = 1 }, []);
        Assert.Equal((FrameKind.Snapshot, 1L, 1L), (_channel.Last.Header.Kind, _channel.Last.Header.Step, _channel.Last.Header.Count));
        Assert.Equal(_bench.Snapshot(1)[1], _channel.Last.Payload);
        Send(new FrameHeader { Kind = FrameKind.PullSnapshot, Step = 2 }, []);
        Assert.Equal((FrameKind.Refused, "version 2 of partition 0 is not put aside"), (_channel.Last.Header.Kind, _channel.Text(1)));
    }

    [Fact]
    public void A_push_that_breaks_off_counts_for_nothing()
    {
        var header = _bench.Header(0, TreeNode.OfLeaf(0));
        Assert.Equal(header.PayloadBytes, _connection.Reserve(_channel, header).Length);
        _connection.Abandoned(_channel, header);
        _connection.Closed(_channel, "cut");
        _bench.PushAll(0);
        Assert.Equal(1, _bench.Partition.Version);
    }

    [Fact]
    public void A_stale_push_is_refused_as_stale_and_a_wrong_one_is_not()
    {
        _bench.Partition.Fence(2);
        var header = _bench.Header(0, TreeNode.OfLeaf(0));
        Send(header, new byte[header.PayloadBytes]);
        Send(header with { Generation = 2, Rows = 1 }, new byte[header.PayloadBytes]);
        Assert.All(_channel.Posted, static posted => Assert.Equal((FrameKind.Refused, (byte)FrameKind.Push), (posted.Header.Kind, posted.Header.Flags)));
        Assert.Equal([ServerConnection.StaleGeneration, 0], _channel.Posted.Select(static posted => posted.Header.Count));
        Assert.Contains("generation 1 is not the current one", _channel.Text(0), StringComparison.Ordinal);
        Assert.Contains("rows, not 1", _channel.Text(1), StringComparison.Ordinal);
    }

    [Fact]
    public void A_version_that_is_gone_is_refused()
    {
        _bench.PushAll(0);
        _bench.PushAll(1);
        Send(new FrameHeader { Kind = FrameKind.Pull, Step = 0, Generation = 1 }, []);
        Assert.Equal("version 0 is no longer kept", _channel.Text(0));
        Assert.Equal(0, _channel.Last.Header.Count);
    }

    [Fact]
    public void A_partition_that_is_elsewhere_is_refused()
    {
        Send(_bench.Header(0, TreeNode.OfLeaf(0)) with { Partition = 7 }, new byte[4]);
        Send(new FrameHeader { Kind = FrameKind.Pull, Partition = 7 }, []);
        Assert.All(Enumerable.Range(0, 2), i => Assert.Equal("this node serves no such partition", _channel.Text(i)));
    }

    [Fact]
    public void A_frame_that_is_not_for_a_server_is_refused()
    {
        Send(new FrameHeader { Kind = FrameKind.Verdict }, new byte[4]);
        Assert.Equal("a frame of kind Verdict is not for a server", _channel.Text(0));
    }

    [Fact]
    public void A_name_that_is_too_long_is_refused()
    {
        Send(new FrameHeader { Kind = FrameKind.Request }, new byte[300]);
        Assert.Equal(FrameKind.Refused, Assert.Single(_channel.Posted).Header.Kind);
    }

    [Fact]
    public void Before_a_run_is_served_everything_is_refused()
    {
        _served = null;
        var header = _bench.Header(0, TreeNode.OfLeaf(0));
        Send(header, new byte[header.PayloadBytes]);
        Assert.Equal("this node serves no such partition", _channel.Text(0));
        _connection.Closed(_channel, "gone");
    }

    [Fact]
    public void A_worker_that_evaluates_an_older_version_may_go_on()
    {
        _bench.PushAll(0);
        Send(new FrameHeader { Kind = FrameKind.Evaluation, Step = 0, Index = 1 }, new byte[_bytes]);
        Assert.Equal((FrameKind.Verdict, 0L), (Assert.Single(_channel.Posted).Header.Kind, _channel.Last.Header.Step));
        Assert.Empty(_evaluated);
    }

    [Fact]
    public void An_evaluation_ahead_of_the_version_is_refused()
    {
        Send(new FrameHeader { Kind = FrameKind.Evaluation, Step = 3, Index = 1 }, new byte[_bytes]);
        Assert.Equal($"the evaluation of version 3, shard 1, with {_bytes} bytes does not fit version 0", _channel.Text(0));
    }

    [Theory]
    [InlineData(-1, 0, 1)]
    [InlineData(1, 0, 1)]
    [InlineData(0, 1, 1)]
    [InlineData(0, 0, 3)]
    [InlineData(0, 0, -1)]
    public void An_evaluation_of_another_length_or_place_is_refused(int more, int level, int shard)
    {
        Send(new FrameHeader { Kind = FrameKind.Evaluation, Step = 0, Level = (byte)level, Index = shard }, new byte[_bytes + more]);
        Assert.Equal($"the evaluation of version 0, shard {shard}, with {_bytes + more} bytes does not fit version 0", _channel.Text(0));
    }

    [Fact]
    public void Evaluations_of_all_shards_are_answered()
    {
        for (var shard = 0; shard < 3; shard++)
        {
            Send(new FrameHeader { Kind = FrameKind.Evaluation, Step = 0, Index = shard }, new byte[_bytes]);
        }

        Assert.Equal(FrameKind.Verdict, Assert.Single(_channel.Posted).Header.Kind);
        Assert.Equal(0, Assert.Single(_evaluated).Version);
    }

    /// <summary>A late one of the course that was given up would be ahead of all that comes now, and keep it out for ever.</summary>
    [Fact]
    public void Moments_that_are_under_way_when_training_goes_back_belong_to_no_later_course()
    {
        var plan = new TestExperiment { Layers = ["linear: 8", "batch-norm", "relu", "linear: 3"], Training = "{ epochs: 2, batch-size: 30, shards: 3 }" }.Plan();
        var bytes = 2 * plan.Model.BatchNorms[0].Channels * sizeof(double);
        FrameHeader Moments(long step, int shard, long generation) => new()
        {
            Kind = FrameKind.Statistics,
            Run = plan.Token,
            Generation = generation,
            Step = step,
            Index = shard,
            Rows = plan.LeafRows(step, shard),
            Flags = shard == 2 ? StatisticsFlags.WantsTotal : (byte)0,
            PayloadBytes = bytes,
        };
        Serve(new PartitionBench(plan, start: new StartingPoint(2, default)));
        var late = Moments(2, 0, 1);
        Assert.Equal(bytes, _connection.Reserve(_channel, late).Length);
        Serve(new PartitionBench(plan, generation: 2));
        _connection.Complete(_channel, late);
        for (var shard = 0; shard < 3; shard++)
        {
            Send(Moments(0, shard, 2), new byte[bytes]);
        }

        Assert.Equal((FrameKind.StatisticsTotal, 0L), (Assert.Single(_channel.Posted).Header.Kind, _channel.Last.Header.Step));
        Send(Moments(0, 0, 1), new byte[bytes]);
        Assert.Equal("generation 1 is older than the state, which generation 2 has loaded", _channel.Text(1));
        Assert.Equal(ServerConnection.StaleGeneration, _channel.Last.Header.Count);
    }

    [Fact]
    public void An_evaluation_that_is_under_way_when_training_goes_back_belongs_to_no_later_course()
    {
        _bench.PushAll(0);
        var late = new FrameHeader { Kind = FrameKind.Evaluation, Run = _bench.Plan.Token, Generation = 1, Step = 1, PayloadBytes = _bytes };
        Assert.Equal(_bytes, _connection.Reserve(_channel, late).Length);
        Serve(new PartitionBench(_bench.Plan, generation: 2));
        _connection.Complete(_channel, late);
        for (var shard = 0; shard < 3; shard++)
        {
            Send(new FrameHeader { Kind = FrameKind.Evaluation, Generation = 2, Step = 0, Index = shard }, new byte[_bytes]);
        }

        Assert.Equal((FrameKind.Verdict, 0L), (Assert.Single(_channel.Posted).Header.Kind, _channel.Last.Header.Step));
    }

    [Fact]
    public void A_push_that_is_under_way_when_training_goes_back_counts_for_nothing()
    {
        var header = _bench.Header(0, TreeNode.OfLeaf(0));
        Assert.Equal(header.PayloadBytes, _connection.Reserve(_channel, header).Length);
        var second = new PartitionBench(_bench.Plan);
        Serve(second);
        _connection.Complete(_channel, header);
        Send(_bench.Header(0, TreeNode.OfLeaf(1)), new byte[header.PayloadBytes]);
        Send(_bench.Header(0, TreeNode.OfLeaf(2)), new byte[header.PayloadBytes]);
        Assert.Equal(0, second.Partition.Version);
        Send(header, new byte[header.PayloadBytes]);
        Assert.Equal(1, second.Partition.Version);
    }

    /// <summary>In the place of what was served before.</summary>
    private void Serve(PartitionBench bench) => _served = ServedBy(bench);

    private ServedRun ServedBy(PartitionBench bench) => new()
    {
        Partitions = new Dictionary<int, Partition> { [0] = bench.Partition },
        Statistics = bench.Statistics,
        Evaluations = new EvaluationBoard(new TestExperiment { Training = "{ epochs: 3, batch-size: 30, shards: 3 }" }.Plan(), outcome => _evaluated.Add((outcome.Version, outcome.Sums.Validation))),
        LinkLost = (worker, reason) => _lost.Add((worker, reason)),
    };

    /// <summary>Serves a partition that waits for the state of version 1, in the place of what was served before.</summary>
    private (PartitionBench Bench, List<byte[]> Vectors) Loading()
    {
        var trained = new PartitionBench(_bench.Plan);
        trained.PushAll(0, ask: CheckpointAsk.Snapshot);
        var bench = new PartitionBench(_bench.Plan, start: new StartingPoint(1, default));
        _served = new ServedRun { Partitions = new Dictionary<int, Partition> { [0] = bench.Partition }, LinkLost = static (_, _) => { } };
        return (bench, trained.Snapshot(1));
    }

    private FrameHeader RestoreHeader(int vector) => new() { Kind = FrameKind.Restore, Run = _bench.Plan.Token, Generation = 1, Step = 1, Count = vector };

    // As a channel would.
    private void Send(FrameHeader header, byte[] payload)
    {
        header.PayloadBytes = payload.Length;
        header.Run = header.Run == 0 ? _bench.Plan.Token : header.Run;
        header.Generation = header.Generation == 0 ? 1 : header.Generation;
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
