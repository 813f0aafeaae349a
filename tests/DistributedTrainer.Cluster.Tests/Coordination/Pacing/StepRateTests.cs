using DistributedTrainer.Cluster.Coordination.Pacing;
using DistributedTrainer.Cluster.Coordination;

namespace DistributedTrainer.Cluster.Tests.Coordination.Pacing;

public sealed class StepRateTests
{
    private readonly StepRate _rate = new();
    private double _second;
    private long _version;

    [Fact]
    public void Nothing_is_known_before_a_slice_is_over()
    {
        Go(seconds: 0.3, rate: 100);
        Assert.Equal((0, null), (_rate.Slices, _rate.Latest()));
        Go(seconds: 0.3, rate: 100);
        Assert.Equal(1, _rate.Slices);
        Assert.Equal(100, _rate.Latest()!.Value, 1e-6);
    }

    [Fact]
    public void A_pause_does_not_count()
    {
        Go(seconds: 3, rate: 50);
        _second += 4;
        Go(seconds: 3, rate: 50);
        Assert.Equal(50, _rate.Latest()!.Value, 1e-6);
    }

    [Fact]
    public void Of_a_rate_that_changed_the_latest_slices_tell()
    {
        Go(seconds: 4, rate: 50);
        Go(seconds: 1.5, rate: 20);
        Assert.Equal(20, _rate.Latest(4)!.Value, 1e-6);
        Assert.InRange(_rate.Latest()!.Value, 21, 50);
    }

    [Fact]
    public void A_step_that_takes_longer_is_a_slice_of_its_own()
    {
        for (var step = 0; step <= 3; step++)
        {
            _rate.Applied(step, TimeSpan.FromSeconds(2 * step));

            // Told again.
            _rate.Applied(step, TimeSpan.FromSeconds((2 * step) + 1));
        }

        Assert.Equal((3, 0.5), (_rate.Slices, _rate.Latest()));
    }

    [Fact]
    public void Steps_that_are_repeated_are_counted_again()
    {
        Go(seconds: 1, rate: 40);
        var before = _rate.Slices;
        _version = 3;
        Go(seconds: 2, rate: 40);
        Assert.True(_rate.Slices > before);
        Assert.Equal(40, _rate.Latest()!.Value, 1e-6);
    }

    [Fact]
    public void Another_placement_begins_anew()
    {
        Go(seconds: 2, rate: 40);
        _rate.Begin();
        Assert.Equal((0, null), (_rate.Slices, _rate.Latest()));
        Go(seconds: 2, rate: 60);
        Assert.Equal(60, _rate.Latest()!.Value, 1e-6);
    }

    /// <summary>Steps of this rate are told ten times a second.</summary>
    private void Go(double seconds, double rate)
    {
        for (var end = _second + seconds; _second < end - 0.05;)
        {
            _second += 0.1;
            _version += (long)Math.Round(rate / 10);
            _rate.Applied(_version, TimeSpan.FromSeconds(_second));
        }
    }
}
