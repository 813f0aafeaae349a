using DistributedTrainer.Cluster.Coordination.Pacing;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Coordination.Pacing;

public sealed class StandstillWatchTests
{
    private static readonly WorkerId[] Workers = [new("w0"), new("w1")];
    private readonly StandstillWatch _watch = new();
    private double _now;
    private long _version = 5000;

    [Fact]
    public void Steps_that_are_told_again_are_no_progress()
    {
        Steps(10, 0.1);
        Pass(3, () => _watch.Applied(_version, Now));
        Assert.Equal([Workers[1]], Frozen());
    }

    [Fact]
    public void An_evaluation_that_is_told_again_is_no_progress()
    {
        Steps(10, 0.1);
        Pass(3, () => _watch.Evaluated(_version, Now));
        Assert.Equal([Workers[1]], Frozen());
    }

    [Fact]
    public void New_evaluations_are_progress()
    {
        Steps(10, 0.1);
        var version = 0;
        Pass(3, () => _watch.Evaluated(++version, Now));
        Assert.Empty(Frozen());
    }

    [Fact]
    public void Steps_that_are_repeated_after_a_way_back_are_progress()
    {
        Steps(10, 0.1);
        _version -= 1000;
        Pass(3, () => _watch.Applied(++_version, Now));
        Assert.Empty(Frozen());
    }

    [Fact]
    public void Before_the_first_steps_nothing_is_usual_and_more_patience_is_needed()
    {
        _watch.Begin(Now);
        _watch.Heard(Workers[1], Now);
        Pass(4, static () => { });
        Assert.Empty(Frozen());
        Pass(2, static () => { });
        Assert.Equal([Workers[1]], Frozen());
    }

    [Theory]
    [InlineData(1, 2.5, true)]
    [InlineData(8, 2.5, false)]
    [InlineData(8, 3.5, true)]
    public void Steps_that_are_told_together_are_waited_for_together(int stepsAtOnce, double silent, bool frozen)
    {
        // Eight steps every 0.8 s; then nothing more.
        var watch = new StandstillWatch(stepsAtOnce);
        watch.Begin(TimeSpan.Zero);
        for (var round = 1; round <= 20; round++)
        {
            watch.Applied(8 * round, TimeSpan.FromSeconds(0.8 * round));
        }

        watch.Heard(Workers[1], TimeSpan.FromSeconds(16));
        var now = TimeSpan.FromSeconds(16 + silent);
        watch.Heard(Workers[0], now);
        Assert.Equal(frozen ? [Workers[1]] : [], watch.Frozen(Workers, static _ => true, now).Select(static found => found.Worker));
    }

    [Fact]
    public void A_worker_that_was_never_heard_of_may_still_be_beginning()
    {
        Steps(10, 0.1, heard: 1);
        Pass(10, static () => { });
        Assert.Empty(Frozen());
    }

    [Fact]
    public void The_usual_step_follows_faster_steps_at_once_and_slower_ones_in_the_end()
    {
        Steps(5, 0.4);
        Steps(1, 0.1);
        Assert.Equal(0.1, _watch.UsualStep!.Value.TotalSeconds, 6);
        Steps(1, 2);
        Assert.Equal(0.125, _watch.UsualStep!.Value.TotalSeconds, 6);
        Steps(20, 2);
        Assert.Equal(2, _watch.UsualStep!.Value.TotalSeconds, 6);
    }

    [Fact]
    public void A_run_of_long_steps_stands_still_later()
    {
        Steps(5, 2);
        Pass(7.5, static () => { });
        Assert.Empty(Frozen());
        Pass(1, static () => { });
        Assert.Equal([Workers[1]], Frozen());
    }

    private TimeSpan Now => TimeSpan.FromSeconds(_now);

    private IEnumerable<WorkerId> Frozen() => _watch.Frozen(Workers, static _ => true, Now).Select(static one => one.Worker);

    /// <summary>Steps, with both workers heard of, or only the first.</summary>
    private void Steps(int count, double seconds, int heard = 2)
    {
        for (var i = 0; i < count; i++)
        {
            _now += seconds;
            Array.ForEach(Workers[..heard], worker => _watch.Heard(worker, Now));
            _watch.Applied(++_version, Now);
        }
    }

    /// <summary>Only the first worker is heard of.</summary>
    private void Pass(double seconds, Action also)
    {
        for (var end = _now + seconds; _now < end;)
        {
            _now += 0.25;
            _watch.Heard(Workers[0], Now);
            also();
        }
    }
}
