using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class CheckpointScheduleTests
{
    private const CheckpointAsk Last = CheckpointAsk.Snapshot | CheckpointAsk.Last;
    private readonly ManualTime _time = new();

    [Fact]
    public void Every_so_many_steps_one_is_made()
    {
        var schedule = Schedule(everySteps: 10);
        var asked = new List<long>();
        for (var version = 1L; version <= 45; version++)
        {
            if (schedule.Next(version, version - 1) == CheckpointAsk.Snapshot)
            {
                asked.Add(version);
                schedule.Done(version);
            }
        }

        Assert.Equal([10L, 20, 30, 40], asked);
    }

    [Fact]
    public void Where_there_is_no_version_of_that_step_the_first_behind_it_is_taken()
    {
        var schedule = Schedule(everySteps: 10);
        var asked = new List<long>();
        for (var version = 4L; version <= 40; version += 4)
        {
            if (schedule.Next(version, version - 4) == CheckpointAsk.Snapshot)
            {
                asked.Add(version);
                schedule.Done(version);
            }
        }

        Assert.Equal([12L, 20, 32, 40], asked);
    }

    [Fact]
    public void The_version_that_a_run_pauses_at_is_put_aside_even_while_another_is_being_written()
    {
        var schedule = new CheckpointSchedule(new CheckpointOptions { EverySteps = 2, EverySeconds = null }, 20, TimeProvider.System, static version => version == 3);
        Assert.Equal(
            [CheckpointAsk.None, CheckpointAsk.Snapshot, CheckpointAsk.Snapshot, CheckpointAsk.None],
            Enumerable.Range(1, 4).Select(version => schedule.Next(version, version - 1)));
    }

    [Fact]
    public void Every_so_many_seconds_one_is_made()
    {
        var schedule = Schedule(everySeconds: 60);
        Assert.Equal(CheckpointAsk.None, schedule.Next(1, 0));
        _time.Advance(59.9);
        Assert.Equal(CheckpointAsk.None, schedule.Next(2, 1));
        _time.Advance(0.1);
        Assert.Equal(CheckpointAsk.Snapshot, schedule.Next(3, 2));
        schedule.Done(3);
        Assert.Equal(CheckpointAsk.None, schedule.Next(4, 3));
        _time.Advance(60);
        Assert.Equal(CheckpointAsk.Snapshot, schedule.Next(5, 4));
    }

    [Fact]
    public void Seconds_are_counted_from_the_last_one_whatever_it_was_made_for()
    {
        var schedule = Schedule(everySteps: 10, everySeconds: 60);
        _time.Advance(59);
        Assert.Equal(CheckpointAsk.Snapshot, schedule.Next(10, 9));
        schedule.Done(10);
        _time.Advance(59);
        Assert.Equal(CheckpointAsk.None, schedule.Next(11, 10));
        schedule.Ask(last: false);
        Assert.Equal(CheckpointAsk.Snapshot, schedule.Next(12, 11));
        schedule.Done(12);
        _time.Advance(59);
        Assert.Equal(CheckpointAsk.None, schedule.Next(13, 12));
        _time.Advance(1);
        Assert.Equal(CheckpointAsk.Snapshot, schedule.Next(14, 13));
    }

    [Fact]
    public void There_is_one_at_a_time()
    {
        var schedule = Schedule(everySteps: 10, everySeconds: 60);
        Assert.Equal(CheckpointAsk.Snapshot, schedule.Next(10, 9));
        _time.Advance(1000);
        Assert.Equal(CheckpointAsk.None, schedule.Next(20, 19));

        // Of an older one.
        schedule.Done(9);
        Assert.Equal(CheckpointAsk.None, schedule.Next(21, 20));
        schedule.Done(10);
        Assert.Equal(CheckpointAsk.Snapshot, schedule.Next(22, 21));
    }

    [Fact]
    public void What_is_asked_for_is_made_at_the_next_occasion_even_while_another_is_made()
    {
        var schedule = Schedule(everySteps: 10);
        Assert.Equal(CheckpointAsk.Snapshot, schedule.Next(10, 9));
        schedule.Ask(last: true);
        Assert.Equal(Last, schedule.Next(11, 10));
        Assert.Equal(CheckpointAsk.None, schedule.Next(12, 11));
        schedule.Done(10);
        Assert.Equal(CheckpointAsk.None, schedule.Next(20, 19));
        schedule.Done(11);
        Assert.Equal(CheckpointAsk.Snapshot, schedule.Next(30, 29));
    }

    [Fact]
    public void Who_asks_for_the_last_one_gets_it_whoever_else_asks()
    {
        var schedule = Schedule();
        schedule.Ask(last: true);
        schedule.Ask(last: false);
        Assert.Equal(Last, schedule.Next(1, 0));
    }

    [Fact]
    public void The_end_of_training_has_one_of_its_own()
    {
        var schedule = Schedule(everySteps: 10);
        schedule.Ask(last: true);
        Assert.Equal(CheckpointAsk.None, schedule.Next(1000, 999));
        Assert.Equal(Last, schedule.Next(999, 998));
    }

    [Fact]
    public void Without_intervals_none_is_made_by_itself()
    {
        var schedule = Schedule();
        _time.Advance(1e6);
        Assert.All(Enumerable.Range(1, 999), version => Assert.Equal(CheckpointAsk.None, schedule.Next(version, version - 1)));
    }

    private CheckpointSchedule Schedule(int? everySteps = null, int? everySeconds = null) =>
        new(new CheckpointOptions { EverySteps = everySteps, EverySeconds = everySeconds }, 1000, _time);
}
