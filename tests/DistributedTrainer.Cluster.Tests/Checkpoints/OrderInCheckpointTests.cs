using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Replay;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Reduction;

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

    private void Write(long step, OrderSection order)
    {
        var checkpoint = SampleCheckpoint.Of(_plan, step);
        checkpoint.Orders = [order];
        new CheckpointFolder(_temporary.Path, 2).Write(checkpoint, _plan.Ranges);
    }

    private IReadOnlyList<OrderSection> Read(long step) => CheckpointFolder.Read(PathOf(step)).Orders;

    private static void Same(OrderSection[] expected, IReadOnlyList<OrderSection> actual)
    {
        Assert.Equal(expected.Select(static section => section.From), actual.Select(static section => section.From));
        Assert.Equal(expected.SelectMany(static section => section.Logs), actual.SelectMany(static section => section.Logs));
    }

    private string PathOf(long step) => Path.Combine(_temporary.Path, "checkpoints", $"step-{step:00000000}");
}
