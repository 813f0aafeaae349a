using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Cluster.Workers;

namespace DistributedTrainer.Cluster.Tests.Workers;

public sealed class RepeatTimerTests
{
    private readonly ManualClock _clock = new();
    private readonly RepeatTimer _timer;

    public RepeatTimerTests() => _timer = new RepeatTimer(new ResendTimes { First = Milliseconds(250), Longest = Milliseconds(4000), Clock = _clock });

    [Fact]
    public void The_time_to_the_next_repetition_doubles_up_to_a_limit_and_begins_anew_with_each_wait()
    {
        _timer.Begin();
        Assert.Equal([250, 500, 1000, 2000, 4000, 4000], Enumerable.Range(0, 6).Select(_ => Next()));
        _timer.End();
        for (var i = 0; i < 100; i++)
        {
            Wait(0);
        }

        _timer.Begin();
        Assert.Equal(250, Next());
    }

    [Fact]
    public void Waits_that_are_long_as_a_rule_are_not_taken_for_losses()
    {
        for (var i = 0; i < 100; i++)
        {
            Wait(300);
        }

        _timer.Begin();
        Assert.InRange(_timer.Remaining, Milliseconds(1150), Milliseconds(1200));
    }

    [Fact]
    public void However_long_the_waits_are_it_is_asked_within_the_limit()
    {
        for (var i = 0; i < 100; i++)
        {
            Wait(60_000);
        }

        _timer.Begin();
        Assert.Equal(4000, Next());
    }

    [Fact]
    public void A_loss_that_was_mended_begins_a_new_wait_and_says_nothing_about_the_usual()
    {
        for (var i = 0; i < 100; i++)
        {
            _timer.Begin();
            Next();
            Next();
            _timer.Mended();
            Assert.Equal(Milliseconds(250), _timer.Remaining);
            _clock.Advance(Milliseconds(2000));
            Assert.Equal(TimeSpan.Zero, _timer.Remaining);
            _timer.End();
        }

        _timer.Begin();
        Assert.Equal(250, Next());
    }

    private static TimeSpan Milliseconds(double count) => TimeSpan.FromMilliseconds(count);

    private void Wait(double milliseconds)
    {
        _timer.Begin();
        _clock.Advance(Milliseconds(milliseconds));
        _timer.End();
    }

    private double Next()
    {
        var remaining = _timer.Remaining;
        _clock.Advance(remaining);
        Assert.Equal(TimeSpan.Zero, _timer.Remaining);
        _timer.Repeated();
        return remaining.TotalMilliseconds;
    }
}
