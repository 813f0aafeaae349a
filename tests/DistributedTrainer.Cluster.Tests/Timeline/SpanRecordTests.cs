using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Tests.Timeline;

public sealed class SpanRecordTests
{
    [Fact]
    public void What_does_not_fit_is_counted_and_lost()
    {
        var record = new SpanRecord(new TimelineWindow(TimelineKind.All, 100), capacity: 4);
        record.Begin(7);
        for (var i = 0; i < 6; i++)
        {
            record.Add(SpanKind.Wait, i, i + 1);
        }

        Assert.Equal(2, record.Lost);
        Assert.Equal([0L, 1, 2], record.Take(3).Select(static span => span.Start));
        record.Add(SpanKind.Pull, 9, 10);
        Assert.Equal([(SpanKind.Wait, 3L), (SpanKind.Pull, 9L)], record.Take(10).Select(static span => (span.Kind, span.Start)));
        Assert.Empty(record.Take(10));
    }

    [Fact]
    public void Only_steps_of_the_window_are_recorded_and_those_that_follow_a_change()
    {
        var record = new SpanRecord(new TimelineWindow(TimelineKind.Sampled, 1_000_000));
        Assert.False(Records(300));
        record.Extend(310);
        Assert.True(Records(310));
        Assert.False(Records(311));
        Assert.True(Records(0));

        bool Records(long step)
        {
            record.Begin(step);
            record.Add(SpanKind.Compute, 1, 2);
            return record.Take(1).Length == 1;
        }
    }

    [Fact]
    public void Nothing_is_recorded_where_nothing_is_wanted()
    {
        var record = new SpanRecord(new TimelineWindow(TimelineKind.Off, 100));
        record.Extend(100);
        record.Begin(5);
        record.Add(SpanKind.Compute, 1, 2);
        Assert.Empty(record.Take(1));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(300)]
    [InlineData(5_000)]
    [InlineData(1_000_000)]
    public void The_first_and_the_last_steps_are_sampled_and_not_too_many(long steps)
    {
        var window = new TimelineWindow(TimelineKind.Sampled, steps);
        var sampled = 0;
        for (var step = 0L; step < steps; step++)
        {
            sampled += window.Includes(step) ? 1 : 0;
        }

        Assert.True(window.Includes(0) && window.Includes(steps - 1));
        Assert.InRange(sampled, Math.Min(steps, TimelineWindow.First), TimelineWindow.First + ((TimelineWindow.Count + 2) * TimelineWindow.Length));
    }

    [Fact]
    public void Recording_allocates_nothing()
    {
        var record = new SpanRecord(new TimelineWindow(TimelineKind.All, 100));
        Step(1);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var step = 2; step < 200; step++)
        {
            Step(step);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Step(long step)
        {
            record.Begin(step);
            record.Add(SpanKind.Compute, step, step + 1);
        }
    }

    [Fact]
    public void Of_several_exchanges_the_shortest_says_how_far_clocks_are_apart()
    {
        var clock = new NodeClock();
        Assert.Null(clock.Offset);
        clock.Exchanged(1000, 6500, 2000);
        Assert.Equal(new ClockOffset(5000, 500), clock.Offset);
        clock.Exchanged(3000, 8060, 3100);
        Assert.Equal(new ClockOffset(5010, 50), clock.Offset);
        clock.Exchanged(4000, 9900, 5000);
        Assert.Equal(new ClockOffset(5010, 50), clock.Offset);

        // An answer to nobody's question, or to another process's.
        clock.Exchanged(9000, 0, 9001);
        clock.Exchanged(9000, 14000, 8000);
        Assert.Equal(new ClockOffset(5010, 50), clock.Offset);
        clock.Forget();
        Assert.Null(clock.Offset);
        clock.IsTheSame();
        Assert.Equal(default(ClockOffset), clock.Offset);
    }
}
