using System.Runtime.InteropServices;
using System.Text;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Actors;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Tests.Servers;

/// <summary>Frames that no worker of the run has sent: refused by name, and nothing changes. Alone, since it measures memory.</summary>
[Collection(ClusterCollection.Name)]
public sealed class ForeignFramesTests
{
    private const ulong WrongRun = 0x0123_4567_89AB_CDEF;

    private readonly PartitionBench _bench = new(new TestExperiment
    {
        Layers = ["linear: 8", "batch-norm", "relu", "linear: 3"],
        Training = "{ epochs: 2, batch-size: 37, shards: 5 }",
        Split = "{ validation: 0.1, test: 0.1 }",
    }.Plan());

    private readonly LastRefusal _channel = new();
    private readonly ServerConnection _connection;

    public ForeignFramesTests()
    {
        var served = new ServedRun
        {
            Partitions = new Dictionary<int, Partition> { [0] = _bench.Partition },
            Statistics = _bench.Statistics,
            Evaluations = new EvaluationBoard(_bench.Plan, static _ => Assert.Fail("Nobody has evaluated.")),
            LinkLost = static (_, _) => { },
        };
        _connection = new ServerConnection(() => served);
    }

    public static TheoryData<FrameKind, string, long, string> Wrong => new()
    {
        { FrameKind.Push, "run", 0, "the frame belongs to another run" },
        { FrameKind.Push, "generation", 2, "generation 2 is not the current one, 1" },
        { FrameKind.Push, "generation", 0, "generation 0 is not the current one, 1" },
        { FrameKind.Push, "generation", long.MinValue, "generation -9223372036854775808 is not the current one, 1" },
        { FrameKind.Push, "step", 1, "step 1 is ahead of version 0" },
        { FrameKind.Push, "step", long.MaxValue, "step 9223372036854775807 is ahead of version 0" },
        { FrameKind.Push, "step", -1, "node 0/1 of step -1 has 0 rows, not 8" },
        { FrameKind.Push, "partition", 1, "this node serves no such partition" },
        { FrameKind.Push, "partition", -1, "this node serves no such partition" },
        { FrameKind.Push, "partition", int.MaxValue, "this node serves no such partition" },
        { FrameKind.Push, "level", -1, "node -1/1 with 332 bytes does not fit 5 shards and 83 parameters" },
        { FrameKind.Push, "level", 4, "node 4/1 with 332 bytes does not fit 5 shards and 83 parameters" },
        { FrameKind.Push, "level", int.MaxValue, "node 2147483647/1 with 332 bytes does not fit 5 shards and 83 parameters" },
        { FrameKind.Push, "level", int.MinValue, "node -2147483648/1 with 332 bytes does not fit 5 shards and 83 parameters" },
        { FrameKind.Push, "level", 1, "node 1/1 of step 0 has 14 rows, not 8" },
        { FrameKind.Push, "index", 5, "node 0/5 with 332 bytes does not fit 5 shards and 83 parameters" },
        { FrameKind.Push, "index", -1, "node 0/-1 with 332 bytes does not fit 5 shards and 83 parameters" },
        { FrameKind.Push, "index", int.MaxValue, "node 0/2147483647 with 332 bytes does not fit 5 shards and 83 parameters" },
        { FrameKind.Push, "rows", 0, "node 0/1 of step 0 has 8 rows, not 0" },
        { FrameKind.Push, "rows", -8, "node 0/1 of step 0 has 8 rows, not -8" },
        { FrameKind.Push, "rows", int.MaxValue, "node 0/1 of step 0 has 8 rows, not 2147483647" },
        { FrameKind.Push, "bytes", 0, "node 0/1 with 0 bytes does not fit 5 shards and 83 parameters" },
        { FrameKind.Push, "bytes", 299, "node 0/1 with 299 bytes does not fit 5 shards and 83 parameters" },
        { FrameKind.Push, "bytes", 336, "node 0/1 with 336 bytes does not fit 5 shards and 83 parameters" },
        { FrameKind.Push, "bytes", int.MaxValue, "node 0/1 with 2147483647 bytes does not fit 5 shards and 83 parameters" },
        { FrameKind.Statistics, "run", 0, "the frame belongs to another run" },
        { FrameKind.Statistics, "step", 1, "statistics of step 1 do not belong to version 0" },
        { FrameKind.Statistics, "step", -1, "statistics of step -1 do not belong to version 0" },
        { FrameKind.Statistics, "step", long.MinValue, "statistics of step -9223372036854775808 do not belong to version 0" },
        { FrameKind.Statistics, "partition", 9, "this node serves no such partition" },
        { FrameKind.Statistics, "level", -1, "statistics of node -1/1 with 8 rows do not fit step 0" },
        { FrameKind.Statistics, "level", int.MaxValue, "statistics of node 2147483647/1 with 8 rows do not fit step 0" },
        { FrameKind.Statistics, "index", int.MinValue, "statistics of node 0/-2147483648 with 8 rows do not fit step 0" },
        { FrameKind.Statistics, "rows", -1, "statistics of node 0/1 with -1 rows do not fit step 0" },
        { FrameKind.Statistics, "rows", int.MaxValue, "statistics of node 0/1 with 2147483647 rows do not fit step 0" },
        { FrameKind.Statistics, "count", 1, "batch-norm layer 1 does not exist" },
        { FrameKind.Statistics, "count", -1, "batch-norm layer -1 does not exist" },
        { FrameKind.Statistics, "count", long.MaxValue, "batch-norm layer 9223372036854775807 does not exist" },
        { FrameKind.Statistics, "bytes", int.MaxValue, "statistics of 2147483647 bytes do not fit 8 channels" },
        { FrameKind.Evaluation, "run", 0, "the frame belongs to another run" },
        { FrameKind.Evaluation, "step", 1, "the evaluation of version 1, shard 1, with 56 bytes does not fit version 0" },
        { FrameKind.Evaluation, "index", -1, "the evaluation of version 0, shard -1, with 56 bytes does not fit version 0" },
        { FrameKind.Evaluation, "level", -1, "the evaluation of version 0, shard 1, with 56 bytes does not fit version 0" },
        { FrameKind.Evaluation, "bytes", int.MaxValue, "the evaluation of version 0, shard 1, with 2147483647 bytes does not fit version 0" },
        { FrameKind.Pull, "run", 0, "the frame belongs to another run" },
        { FrameKind.Pull, "step", 2, "version 2 is ahead of version 0" },
        { FrameKind.Pull, "step", -1, "version -1 is no longer kept" },
        { FrameKind.Pull, "step", long.MaxValue, "version 9223372036854775807 is ahead of version 0" },
        { FrameKind.Pull, "step", long.MinValue, "version -9223372036854775808 is no longer kept" },
        { FrameKind.Pull, "partition", int.MinValue, "this node serves no such partition" },
        { FrameKind.Pull, "bytes", 8, "a frame of kind Pull is not for a server" },
        { FrameKind.Request, "run", 0, "the frame belongs to another run" },
        { FrameKind.Request, "step", 2, "version 2 is ahead of version 0" },
        { FrameKind.Request, "bytes", 8, "a frame of kind Request is not for a server" },
        { FrameKind.Restore, "bytes", 332, "partition 0 is not being loaded" },
        { FrameKind.Restore, "bytes", 0, "partition 0 is not being loaded" },
        { FrameKind.Restore, "generation", 0, "generation 0 is not the current one, 1" },
        { FrameKind.PullSnapshot, "step", 0, "version 0 of partition 0 is not put aside" },
        { FrameKind.PullSnapshot, "bytes", 8, "a frame of kind PullSnapshot is not for a server" },
        { FrameKind.Parameters, "bytes", 8, "a frame of kind Parameters is not for a server" },
        { FrameKind.StatisticsTotal, "bytes", 8, "a frame of kind StatisticsTotal is not for a server" },
        { FrameKind.Verdict, "bytes", 0, "a frame of kind Verdict is not for a server" },
        { FrameKind.Refused, "bytes", 8, "a frame of kind Refused is not for a server" },
        { FrameKind.Reply, "bytes", 8, "a frame of kind Reply is not for a server" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_frame_with_one_wrong_field_is_refused_once_by_name(FrameKind kind, string field, long value, string reason)
    {
        var right = Right(kind);
        var header = field switch
        {
            "run" => right with { Run = WrongRun },
            "generation" => right with { Generation = value },
            "step" => right with { Step = value },
            "partition" => right with { Partition = (int)value },
            "level" => right with { Level = (int)value },
            "index" => right with { Index = (int)value },
            "rows" => right with { Rows = (int)value },
            "count" => right with { Count = value },
            _ => right with { PayloadBytes = (int)value },
        };
        Assert.False(Send(header, random: null));
        Assert.Equal(reason, _channel.Refusal);
        Assert.Equal(1, _channel.Posts);
        Assert.Equal(0, _bench.Partition.Version);
    }

    [Theory]
    [InlineData(0, 0, "vector 0 of partition 0 has 396 bytes, not 0")]
    [InlineData(-1, 396, "vector -1 of version 3 is not expected")]
    [InlineData(3, 396, "vector 3 of version 3 is not expected")]
    [InlineData(long.MaxValue, 0, "vector 9223372036854775807 of version 3 is not expected")]
    public void A_vector_that_does_not_fit_leaves_a_partition_waiting_for_its_state(long vector, int bytes, string reason)
    {
        var partition = new Partition(_bench.Plan, _bench.Plan.Ranges[0], 1, _bench.Statistics, _bench.Events, new StartingPoint { Version = 3 });
        var connection = new ServerConnection(() => new ServedRun { Partitions = new Dictionary<int, Partition> { [0] = partition }, LinkLost = static (_, _) => { } });
        Send(new FrameHeader { Kind = FrameKind.Restore, Run = _bench.Plan.Token, Generation = 1, Step = 3, Count = vector, PayloadBytes = bytes }, null, connection);
        Assert.Equal(reason, _channel.Refusal);
        for (var each = 0; each < 3; each++)
        {
            // Nothing has come with these either.
            Send(new FrameHeader { Kind = FrameKind.Restore, Run = _bench.Plan.Token, Generation = 1, Step = 3, Count = each }, null, connection);
        }

        Assert.False(partition.IsWhole);

        // Whoever asks meanwhile waits: there is nothing to have yet, and nothing is lacking.
        Send(new FrameHeader { Kind = FrameKind.Request, Run = _bench.Plan.Token, Generation = 1, Flags = RequestFlags.Question, Step = 3 }, null, connection);
        Assert.Equal((FrameKind.Reply, 2L, 0), (_channel.Last.Kind, _channel.Last.Step, _channel.Last.PayloadBytes));
    }

    [Fact]
    public void The_right_frames_of_this_table_are_taken()
    {
        // Else the table would show nothing.
        Assert.True(Send(Right(FrameKind.Statistics), random: null));
        Assert.True(Send(Right(FrameKind.Push), random: null));
        Assert.True(Send(Right(FrameKind.Evaluation), random: null));
        Assert.Null(_channel.Refusal);
    }

    [Fact]
    public void A_hundred_thousand_frames_with_arbitrary_fields_change_nothing_and_leave_nothing()
    {
        var frames = new ForeignFrames(_bench.Plan, 20_260_102);
        var random = new Random(1);
        Flood(10_000);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        Flood(100_000);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 200_000);
        Assert.Equal(0, _bench.Partition.Version);
        Assert.Equal(1, _bench.Partition.Generation);
        Assert.Empty(_bench.Events.Failures);

        // What is trained afterwards is as if nothing had been.
        var quiet = new PartitionBench(_bench.Plan);
        foreach (var bench in (PartitionBench[])[_bench, quiet])
        {
            for (var shard = 0; shard < 5; shard++)
            {
                var sums = bench.Statistics!.Reserve(Moments(shard), 0, out _)!;
                sums.Values.AsSpan().Fill(shard + 1);
                bench.Statistics.Complete(_channel, Moments(shard), sums);
            }

            bench.PushAll(0);
        }

        Assert.Equal(1, _bench.Partition.Version);
        Assert.Equal(quiet.Parameters(1), _bench.Parameters(1));

        void Flood(int count)
        {
            for (var i = 0; i < count; i++)
            {
                Send(frames.Next(), random);
            }
        }
    }

    private FrameHeader Right(FrameKind kind) => kind switch
    {
        FrameKind.Push => _bench.Header(0, TreeNode.OfLeaf(1)),
        FrameKind.Statistics => Moments(1),
        FrameKind.Evaluation => new FrameHeader { Kind = kind, Run = _bench.Plan.Token, Generation = 1, Index = 1, PayloadBytes = 56 },
        FrameKind.Request => new FrameHeader { Kind = kind, Run = _bench.Plan.Token, Generation = 1, Flags = RequestFlags.Question, Step = 1 },
        _ => new FrameHeader { Kind = kind, Run = _bench.Plan.Token, Generation = 1 },
    };

    private FrameHeader Moments(int shard) => new()
    {
        Kind = FrameKind.Statistics,
        Run = _bench.Plan.Token,
        Generation = 1,
        Index = shard,
        Rows = _bench.Plan.RowsUnder(0, TreeNode.OfLeaf(shard)),
        PayloadBytes = 128,
    };

    /// <summary>As a channel would, by each of its ways. Returns whether a payload was taken.</summary>
    private bool Send(FrameHeader header, Random? random, ServerConnection? to = null)
    {
        var connection = to ?? _connection;
        if (random?.Next(4) == 0 && header.PayloadBytes is > 0 and < 1000)
        {
            using var lease = new FakeLease(new float[(header.PayloadBytes + 3) / 4]);
            if (connection.Offer(_channel, header, lease))
            {
                return true;
            }
        }

        var place = connection.Reserve(_channel, header);
        if (place.Length != header.PayloadBytes)
        {
            Assert.Equal(0, place.Length);
            return false;
        }

        random?.NextBytes(place);
        if (place.Length > 0 && random?.Next(4) == 0)
        {
            connection.Abandoned(_channel, header);
        }
        else
        {
            connection.Complete(_channel, header);
        }

        return place.Length > 0;
    }

    /// <summary>Keeps the last refusal only.</summary>
    private sealed class LastRefusal : IChannel
    {
        public string Peer => "stranger";

        public bool IsOpen => true;

        public int Posts { get; private set; }

        public FrameHeader Last { get; private set; }

        public string? Refusal { get; private set; }

        public void Send(in FrameHeader header, ReadOnlySpan<byte> payload) => throw new NotSupportedException();

        public void Post(in FrameHeader header, IPayload payload)
        {
            Posts++;
            Last = header;
            Refusal = header.Kind == FrameKind.Refused ? Encoding.UTF8.GetString(payload.Bytes) : Refusal;
            payload.Release();
        }

        public void Dispose()
        {
        }
    }
}
