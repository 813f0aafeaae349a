using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Cluster.Workers;

namespace DistributedTrainer.Cluster.Tests.Workers;

/// <summary>Frames that come twice, late or in another order find no place, so that they cannot change what is read.</summary>
public sealed class WorkerInboxTests
{
    private readonly TrainingPlan _plan = new TestExperiment
    {
        Layers = ["linear: 64", "batch-norm", "relu", "linear: 128", "relu", "linear: 3"],
        Training = "{ epochs: 1, batch-size: 30, shards: 3 }",
        Partitions = 2,
    }.Plan();

    private readonly WorkerInbox _inbox;
    private readonly ServerLink _link;
    private readonly ManualClock _clock = new();
    private readonly RecordingChannel _channel = new();

    public WorkerInboxTests()
    {
        _inbox = new WorkerInbox(_plan);
        _link = new ServerLink("s0", _inbox, static _ => { }, _clock, static (_, _, _) => { }) { Channel = _channel };
    }

    [Fact]
    public void A_total_that_is_here_is_not_overwritten_by_its_repetition_nor_by_another_steps()
    {
        _inbox.ExpectTotals(4);
        Total(4, 1, taken: true);
        Total(4, 2, taken: false);
        Total(3, 3, taken: false);
        var values = new double[128];
        Assert.True(_inbox.TryTakeTotal(0, backward: false, 4, values, out var rows));
        Assert.Equal(30, rows);
        Assert.All(values, static value => Assert.Equal(1, value));

        _inbox.ExpectTotals(5);
        Assert.False(_inbox.TryTakeTotal(0, backward: false, 5, values, out _));
        Total(4, 4, taken: false);
        Total(5, 5, taken: true);
        Assert.True(_inbox.TryTakeTotal(0, backward: false, 5, values, out _));
        Assert.All(values, static value => Assert.Equal(5, value));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    [InlineData(long.MaxValue)]
    [InlineData(1L << 62)]
    public void A_total_of_no_layer_finds_no_place(long layer)
    {
        _inbox.ExpectTotals(4);
        Assert.False(_inbox.AwaitsTotal(layer, backward: false, 4, 128));
        _inbox.TotalArrived(layer, backward: false, 4, 30, new double[128]);
    }

    [Fact]
    public void A_total_that_is_under_way_when_the_worker_goes_back_a_step_touches_nothing()
    {
        _inbox.ExpectTotals(4);
        Total(4, 1, taken: true);
        _inbox.ExpectTotals(5);
        var header = new FrameHeader { Kind = FrameKind.StatisticsTotal, Step = 5, Rows = 30, PayloadBytes = 128 * sizeof(double) };
        var place = _link.Reserve(_channel, header);
        Assert.False(place.IsEmpty);
        place.Fill(0x3f);

        // A part of version 5 came, and others never will.
        _inbox.ExpectTotals(4);
        _link.Complete(_channel, header);
        var values = new double[128];
        Assert.True(_inbox.TryTakeTotal(0, backward: false, 4, values, out _));
        Assert.All(values, static value => Assert.Equal(1, value));
    }

    [Fact]
    public void A_partition_that_came_is_not_read_again_and_another_version_never()
    {
        _inbox.Want(1);
        Parameters(1, version: 2, taken: false);
        Parameters(1, version: 0, taken: false);
        Parameters(1, version: 1, taken: true);
        Parameters(1, version: 1, taken: false);
        Assert.False(_inbox.IsWhole);
        Parameters(0, version: 1, taken: true);
        Assert.True(_inbox.IsWhole);

        // The step after: what is late is of no interest.
        _inbox.Want(2);
        Parameters(0, version: 1, taken: false);
        Assert.False(_inbox.IsWhole);
    }

    [Fact]
    public void Only_the_answer_to_the_last_question_counts_and_only_once()
    {
        var lacks = new byte[_inbox.AnswerBytes];
        _inbox.Want(1);
        _inbox.Asked(1, 7);
        _inbox.Asked(1, 8);
        Answer(1, number: 7, version: 0, 0b111);
        Assert.False(_inbox.HasAnswers);
        Answer(1, number: 8, version: 0, 0b101);
        Answer(1, number: 8, version: 1, 0b111);
        Assert.True(_inbox.HasAnswers);
        Assert.True(_inbox.TryTakeAnswer(1, out var version, lacks));
        Assert.Equal((0L, 0b101), (version, lacks[0]));
        Assert.False(_inbox.HasAnswers);
        Assert.False(_inbox.TryTakeAnswer(1, out _, lacks));
    }

    [Fact]
    public void An_answer_about_what_has_come_meanwhile_is_of_no_interest()
    {
        _inbox.Want(1);
        _inbox.Asked(1, 8);
        Parameters(1, version: 1, taken: true);
        Answer(1, number: 8, version: 1, 0);
        Answer(-1, number: 8, version: 1, 0);
        Answer(2, number: 8, version: 1, 0);
        Answer(0, number: 0, version: 1, 0);
        Assert.False(_inbox.HasAnswers);
    }

    [Theory]
    [InlineData(FrameKind.Push, 3, false)]
    [InlineData(FrameKind.Push, 4, true)]
    [InlineData(FrameKind.Pull, 4, false)]
    [InlineData(FrameKind.Pull, 5, true)]
    [InlineData(FrameKind.Request, 4, false)]
    [InlineData(FrameKind.Request, 5, true)]
    [InlineData(FrameKind.Statistics, 3, false)]
    [InlineData(FrameKind.Statistics, 4, true)]
    [InlineData(FrameKind.Evaluation, 4, false)]
    [InlineData(FrameKind.Evaluation, 5, true)]
    public void A_refusal_breaks_the_link_only_if_it_is_of_what_is_worked_on(FrameKind refused, long step, bool breaks)
    {
        _inbox.ExpectTotals(4);
        _inbox.VerdictArrived(0, 4, 0, stop: false);
        _inbox.Want(5);
        Arrive(new FrameHeader { Kind = FrameKind.Refused, Flags = (byte)refused, Step = step }, "no"u8.ToArray());
        Assert.Equal(breaks ? $"the server refused {refused}: no" : null, _inbox.Broken);
    }

    [Fact]
    public void A_server_is_silent_when_nothing_has_come_since_the_first_question_for_longer_than_a_slow_line_needs()
    {
        var limit = TimeSpan.FromSeconds(10);
        Assert.Null(_link.SilentFor(limit));
        _link.BytesUnderWay = 5_000_000;
        _link.Asked();
        _clock.Advance(TimeSpan.FromSeconds(14));
        _link.Asked();
        Assert.Null(_link.SilentFor(limit));
        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(TimeSpan.FromSeconds(16), _link.SilentFor(limit));

        // Any frame is a sign of life, wanted or not.
        Parameters(0, version: 77, taken: false);
        _clock.Advance(TimeSpan.FromSeconds(60));
        Assert.Null(_link.SilentFor(limit));
    }

    private void Total(long step, double value, bool taken)
    {
        var values = new double[128];
        values.AsSpan().Fill(value);
        var header = new FrameHeader { Kind = FrameKind.StatisticsTotal, Step = step, Rows = 30 };
        Assert.Equal(taken, Arrive(header, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()).ToArray()));
    }

    private void Parameters(int partition, long version, bool taken)
    {
        var buffers = partition == 0 ? _plan.Model.Buffers.Length : 0;
        Assert.Equal(taken, Arrive(new FrameHeader { Kind = FrameKind.Parameters, Partition = partition, Step = version }, new byte[(_plan.Ranges[partition].Length + buffers) * 4]));
    }

    private void Answer(int partition, long number, long version, byte lacks) =>
        Arrive(new FrameHeader { Kind = FrameKind.Reply, Partition = partition, Count = number, Step = version }, [lacks]);

    /// <summary>As a channel would; returns whether there was a place.</summary>
    private bool Arrive(FrameHeader header, byte[] payload)
    {
        header.PayloadBytes = payload.Length;
        var place = _link.Reserve(_channel, header);
        if (place.Length != payload.Length)
        {
            Assert.Equal(0, place.Length);
            return false;
        }

        payload.CopyTo(place);
        _link.Complete(_channel, header);
        return true;
    }
}
