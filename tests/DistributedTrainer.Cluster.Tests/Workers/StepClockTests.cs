using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Workers;

public sealed class StepClockTests
{
    private readonly ManualTime _time = new();
    private readonly StepClock _clock;

    public StepClockTests()
    {
        _clock = new StepClock(_time);
        _clock.Begin();
    }

    [Fact]
    public void The_parts_of_a_step_add_up_to_it()
    {
        After(3).Computed();
        After(1).Pushed();
        After(2).Computed();
        After(4).Waited();
        After(0.5).Stepped();
        Assert.Equal((1, 5000, 1000, 4000, 500), Costs);
    }

    [Fact]
    public void Each_part_of_a_recorded_step_is_noted_in_its_order()
    {
        var record = new SpanRecord(new TimelineWindow(TimelineKind.Sampled, 1000));
        var clock = new StepClock(_time, record);
        record.Begin(3);
        clock.Begin();
        After(3);
        clock.Computed();
        After(1);
        clock.Pushed();
        After(2);
        clock.Computed(SpanKind.Prepare);
        After(4);
        clock.Waited();
        After(0.5);
        clock.Stepped();
        var spans = record.Take(10);
        Assert.Equal([SpanKind.Compute, SpanKind.Push, SpanKind.Prepare, SpanKind.Wait, SpanKind.Pull], spans.Select(static span => span.Kind));
        Assert.All(spans, static span => Assert.Equal(3, span.Step));
        Assert.Equal([3, 1, 2, 4, 0.5], spans.Select(span => _time.GetElapsedTime(span.Start, span.End).TotalMilliseconds));
        Assert.All(spans.Zip(spans.Skip(1)), static pair => Assert.Equal(pair.First.End, pair.Second.Start));
    }

    [Fact]
    public void A_step_counts_when_it_is_whole()
    {
        After(3).Computed();
        After(4).Waited();
        Assert.Equal((0, 0, 0, 0, 0), Costs);
    }

    [Fact]
    public void What_was_broken_off_belongs_to_no_step()
    {
        After(3).Computed();
        After(4).Waited();
        After(100).Begin();
        After(1).Computed();
        After(1).Stepped();
        Assert.Equal((1, 1000, 0, 0, 1000), Costs);
    }

    [Fact]
    public void A_long_wait_with_looks_around_is_waiting()
    {
        After(1).Computed();
        for (var i = 0; i < 50; i++)
        {
            After(21).Looked();
        }

        After(5).Waited();
        After(0).Stepped();
        Assert.Equal((1, 1000, 0, 1_055_000, 0), Costs);
    }

    [Fact]
    public void A_stop_while_waiting_is_the_workers_own_time()
    {
        After(1).Computed();
        After(20).Looked();
        After(180).Looked();
        After(20).Looked();
        After(90).Waited();
        After(0).Stepped();
        Assert.Equal((1, 271_000, 0, 40_000, 0), Costs);

        // Once: what was seen in one wait is not held against the next.
        After(2).Computed();
        After(10).Waited();
        After(0).Stepped();
        Assert.Equal((2, 273_000, 0, 50_000, 0), Costs);
    }

    private (long, long, long, long, long) Costs => _clock.Costs(7) is { DataBytes: 7 } costs ? (costs.Steps, costs.Computing, costs.Pushing, costs.Waiting, costs.Copying) : default;

    private StepClock After(double milliseconds)
    {
        _time.Now += TimeSpan.FromMilliseconds(milliseconds).Ticks;
        return _clock;
    }

    private sealed class ManualTime : TimeProvider
    {
        public long Now { get; set; } = 1000;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now;
    }
}
