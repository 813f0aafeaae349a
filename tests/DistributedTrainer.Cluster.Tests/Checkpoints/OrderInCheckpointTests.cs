using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Replay;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Tests.Checkpoints;

/// <summary>The order of updates on its way through checkpoints.</summary>
public sealed class OrderInCheckpointTests : IDisposable
{
    private readonly TemporaryFolder _temporary = new();
    private readonly Cluster.Planning.TrainingPlan _plan = new TestExperiment { Training = "{ epochs: 99, batch-size: 30, shards: 4, mode: async }" }.Plan();

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void A_log_says_what_was_written_to_it()
    {
        var log = new OrderLog(12);
        log.Generation(300);
        log.Member([2, 3, 40], "näme/0");
        log.Member([31, 70_000], "");
        log.Sent(2, apart: false);
        log.Sent(31, apart: true);
        log.Applied(2, new TreeNode(1, 1), leftOut: false);
        log.Applied(31, new TreeNode(0, 70_000), leftOut: true);
        log.Judged(new Verdict(3, long.MaxValue >> 20));
        var reader = new OrderLog.Reader(log.ToArray());
        Assert.Equal(12, reader.Start);
        var read = new List<OrderLog.Entry>();
        while (!reader.IsAtEnd)
        {
            read.Add(reader.Next());
        }

        Assert.Equal(
            [(OrderEvent.Generation, 0), (OrderEvent.Member, 2), (OrderEvent.Member, 31), (OrderEvent.Sent, 2), (OrderEvent.SentApart, 31), (OrderEvent.Applied, 2), (OrderEvent.LeftOut, 31), (OrderEvent.Judged, 0)],
            read.Select(static entry => (entry.Kind, entry.Member)));
        Assert.Equal((300, "näme/0"), (read[0].Value, read[1].Name));
        Assert.Equal([2, 3, 40], read[1].Shards);
        Assert.Equal([31, 70_000], read[2].Shards);
        Assert.Equal((new TreeNode(1, 1), new TreeNode(0, 70_000)), (read[5].Node, read[6].Node));
        Assert.Equal(new Verdict(3, long.MaxValue >> 20), Verdict.Unpack(read[7].Value));

        // The common entries are short.
        var before = log.ToArray().Length;
        log.Sent(2, apart: false);
        log.Applied(2, new TreeNode(1, 1), leftOut: false);
        Assert.Equal(4, log.ToArray().Length - before);
    }

    [Fact]
    public void A_log_that_is_cut_off_or_changed_is_refused_or_read_to_its_end_and_never_anything_else()
    {
        var log = new OrderLog(0);
        log.Generation(1);
        log.Member([0, 1, 2], "w0");
        log.Sent(0, apart: false);
        log.Applied(0, new TreeNode(2, 0), leftOut: false);
        var whole = log.ToArray();
        for (var length = 0; length < whole.Length; length++)
        {
            ReadAll(whole[..length]);
        }

        for (var at = sizeof(long); at < whole.Length; at++)
        {
            for (var value = 0; value < 256; value++)
            {
                byte[] changed = [.. whole];
                changed[at] = (byte)value;
                ReadAll(changed);
            }
        }
    }

    [Fact]
    public void What_came_before_a_checkpoint_is_in_every_later_one()
    {
        // From the start; then from the state of step 10, whose checkpoint goes meanwhile.
        Write(10, new OrderSection(0, [[1, 2], [3]]));
        Write(20, new OrderSection(10, [[4]]));
        Write(25, new OrderSection(10, [[4, 5]]));
        Assert.False(Directory.Exists(PathOf(10)));
        Same([new OrderSection(0, [[1, 2], [3]]), new OrderSection(10, [[4, 5]])], Read(25));

        // Training has gone back to step 20, and what was done after it there is another course.
        Write(22, new OrderSection(20, [[6]]));
        Same([new OrderSection(0, [[1, 2], [3]]), new OrderSection(10, [[4]]), new OrderSection(20, [[6]])], Read(22));
    }

    [Fact]
    public void Parts_in_mode_sync_have_their_place_and_the_first_one_needs_no_word()
    {
        // A run of mode sync says nothing, until it goes on in another mode from step 10, and in sync again from step 20.
        Write(10);
        Write(20, new OrderSection(10, [[4]], TrainingMode.Stale, 3));
        Write(30, OrderSection.Sync(20));
        OrderSection[] all = [OrderSection.Sync(0), new(10, [[4]], TrainingMode.Stale, 3), OrderSection.Sync(20)];
        var before = Read(20);
        Same(all[..2], before);
        Same(all, Read(30));
        Write(40, OrderSection.Sync(20));
        Same(all, Read(40));
        Write(50, new OrderSection(40, [[5], [6]], TrainingMode.Async));
        Same([.. all, new(40, [[5], [6]], TrainingMode.Async)], Read(50));
        var experiment = OrderSection.TrainedLast(_plan.Experiment, before);
        Assert.Equal((TrainingMode.Stale, 3), (experiment.Training.Mode, experiment.Training.Staleness));
        Assert.Equal(TrainingMode.Sync, OrderSection.TrainedLast(_plan.Experiment, []).Training.Mode);
    }

    [Fact]
    public void The_format_before_this_one_is_read_and_one_after_it_is_refused()
    {
        byte[] earlier = [.. "DTOR"u8, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 8, 9];
        var section = Assert.Single(OrderSection.Read(earlier));
        Assert.Equal((7L, null), (section.From, section.Mode));
        Assert.Equal([8, 9], Assert.Single(section.Logs));
        Assert.Same(_plan.Experiment, OrderSection.TrainedLast(_plan.Experiment, [section]));
        foreach (var format in (byte[])[0, 3])
        {
            earlier[4] = format;
            Assert.Throws<InvalidDataException>(() => OrderSection.Read(earlier));
        }

        var written = OrderSection.Write([OrderSection.Sync(7)]);
        written[20] = 9;
        Assert.Contains("mode 9", Assert.Throws<InvalidDataException>(() => OrderSection.Read(written)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_order_makes_a_damaged_checkpoint()
    {
        Write(10, new OrderSection(0, [[1, 2]]));
        Write(20, new OrderSection(0, [[1, 2, 3]]));
        var file = Path.Combine(PathOf(20), "order.bin");
        var bytes = File.ReadAllBytes(file);
        bytes[^1]++;
        File.WriteAllBytes(file, bytes);
        var warnings = new List<string>();
        Assert.Equal(10, new CheckpointFolder(_temporary.Path, 2).Newest(warnings)!.Step);
        Assert.Contains("order.bin is damaged", Assert.Single(warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void A_record_that_does_not_begin_at_the_start_is_not_repeated()
    {
        var problem = Assert.Throws<InvalidDataException>(() => new Replayer(_plan, [new OrderSection(10, [[0, 0, 0, 0, 0, 0, 0, 0]])]).Run());
        Assert.Equal("the order of updates begins at step 10: what was before it is not there any more.", problem.Message);
        Assert.Throws<InvalidDataException>(() => new Replayer(_plan, []).Run());
    }

    private static void ReadAll(byte[] log)
    {
        try
        {
            var reader = new OrderLog.Reader(log);
            _ = reader.Start;
            while (!reader.IsAtEnd)
            {
                reader.Next();
            }
        }
        catch (InvalidDataException)
        {
            // That is how a damaged one is refused.
        }
    }

    private void Write(long step, params OrderSection[] orders)
    {
        var checkpoint = SampleCheckpoint.Of(_plan, step);
        checkpoint.Orders = orders;
        new CheckpointFolder(_temporary.Path, 2).Write(checkpoint, _plan.Ranges);
    }

    private IReadOnlyList<OrderSection> Read(long step) => CheckpointFolder.Read(PathOf(step)).Orders;

    private static void Same(OrderSection[] expected, IReadOnlyList<OrderSection> actual)
    {
        Assert.Equal(expected.Select(static section => (section.From, section.Mode, section.Staleness)), actual.Select(static section => (section.From, section.Mode, section.Staleness)));
        Assert.Equal(expected.SelectMany(static section => section.Logs), actual.SelectMany(static section => section.Logs));
    }

    private string PathOf(long step) => Path.Combine(_temporary.Path, "checkpoints", $"step-{step:00000000}");
}
