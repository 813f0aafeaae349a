using DistributedTrainer.Engine.Optimizers.Schedules;
using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Tests.Schedules;

public class ScheduleTests
{
    [Fact]
    public void Cosine_starts_at_the_rate_passes_the_middle_and_stays_at_the_minimum()
    {
        var schedule = new CosineSchedule(100, 0.25);
        Assert.Equal(1, schedule.Rate(1, 0));
        Assert.Equal(0.625, schedule.Rate(1, 50));
        Assert.Equal(0.25, schedule.Rate(1, 100));
        Assert.Equal(0.25, schedule.Rate(1, 1_000_000));
    }

    [Fact]
    public void Warm_up_rises_to_the_rate_and_cosine_falls_from_it()
    {
        var schedule = new WarmupCosineSchedule(4, 14);
        Assert.Equal([0.25, 0.5, 0.75, 1, 1], Enumerable.Range(0, 5).Select(step => schedule.Rate(1, step)));
        Assert.True(schedule.Rate(1, 5) < 1);
        Assert.Equal(0.5, schedule.Rate(1, 9));
        Assert.Equal(0, schedule.Rate(1, 14));
        Assert.Equal(1, new WarmupCosineSchedule(0, 10).Rate(1, 0));
    }

    [Fact]
    public void Range_test_grows_by_one_factor_from_low_to_high()
    {
        var schedule = new RangeTestSchedule(1e-6, 10, 101);
        Assert.Equal(1e-6, schedule.Rate(123, 0));
        Assert.Equal(10, schedule.Rate(123, 100));
        Assert.Equal(10, schedule.Rate(123, 5000));
        for (var step = 0; step < 100; step++)
        {
            Assert.Equal(Math.Pow(1e7, 0.01), schedule.Rate(0, step + 1) / schedule.Rate(0, step), 1e-12);
        }
    }

    [Fact]
    public void Parameters_outside_their_range_are_refused()
    {
        Assert.Contains("schedule step: every is 0", Assert.Throws<ArgumentOutOfRangeException>(static () => new StepSchedule(0, 0.5)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(static () => new StepSchedule(1, 0));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new ExponentialSchedule(double.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new InverseTimeSchedule(-1));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new CosineSchedule(0));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new CosineSchedule(5, -1));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new WarmupCosineSchedule(5, 5));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new RangeTestSchedule(0.1, 0.1, 5));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new RangeTestSchedule(0.1, 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new ReduceOnPlateau(Factor: 1));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new ReduceOnPlateau(Patience: -1));
    }

    [Fact]
    public void Plateau_reduces_after_more_than_patience_evaluations_that_are_not_better()
    {
        var schedule = new ReduceOnPlateau(Factor: 0.5, Patience: 2, Threshold: 0.1);

        // 0.95 is not better than 1 by a tenth; the third in a row that is not reduces.
        Assert.Equal([0, 0, 0, 1, 1, 1, 2], Reductions(schedule, 1, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95));
        Assert.Equal([0, 0, 0, 0, 0, 0, 1], Reductions(schedule, 1, 0.95, 0.95, 0.8, 0.8, 0.8, 0.8));
        Assert.Equal(0.25, schedule.Rate(1, 2));
    }

    [Fact]
    public void Plateau_does_not_count_while_it_cools_down()
    {
        var schedule = new ReduceOnPlateau(Patience: 0, Cooldown: 2);
        Assert.Equal([0, 1, 1, 1, 2], Reductions(schedule, 1, 1, 1, 1, 1));
    }

    [Fact]
    public void Plateau_takes_NaN_as_not_better_and_goes_on()
    {
        var schedule = new ReduceOnPlateau(Patience: 0);
        Assert.Equal([1, 1, 2], Reductions(schedule, double.NaN, 5, double.NaN));
    }

    [Fact]
    public void Plateau_stops_at_the_minimum_and_leaves_a_lower_rate_alone()
    {
        var schedule = new ReduceOnPlateau(Factor: 0.1, Minimum: 0.01);
        Assert.Equal(0.1, schedule.Rate(1, 1));
        Assert.Equal(0.01, schedule.Rate(1, 9));
        Assert.Equal(0.001, schedule.Rate(0.001, 3));
    }

    [Fact]
    public void CosPi_is_within_2_to_the_minus_52()
    {
        for (var i = 0; i <= 20_000; i++)
        {
            // The reference is corrected by what the product πx lost: 2⁻⁵³ of it, and π's own digits beyond float64.
            var x = i / 20_000.0;
            var angle = Math.PI * x;
            var lost = Math.FusedMultiplyAdd(Math.PI, x, -angle) + (1.2246467991473532e-16 * x);
            Assert.InRange(PortableMath.CosPi(x) - (Math.Cos(angle) - (Math.Sin(angle) * lost)), -2.3e-16, 2.3e-16);
        }

        Assert.Equal([1, 0, -1], new[] { 0, 0.5, 1 }.Select(PortableMath.CosPi));
    }

    [Fact]
    public void Exp_is_within_1_ulp_of_the_platform_and_half_a_ulp_more()
    {
        for (var i = -7000; i <= 7090; i++)
        {
            var (x, expected) = (i / 10.0, Math.Exp(i / 10.0));
            Assert.InRange((PortableMath.Exp(x) - expected) / expected, -3.4e-16, 3.4e-16);
        }

        Assert.Equal([1, double.PositiveInfinity, 0], new[] { 0, 800.0, -800 }.Select(PortableMath.Exp));
        Assert.True(double.IsNaN(PortableMath.Exp(double.NaN)));
    }

    [Fact]
    public void Power_is_within_its_stated_error()
    {
        foreach (var x in new[] { 1e-7, 0.3, 0.93, 1.7, 1e8 })
        {
            for (var i = -300; i <= 300; i++)
            {
                var (y, expected) = (i / 20.0, Math.Pow(x, i / 20.0));
                var allowed = (3 + Math.Abs(y * Math.Log(x))) * 2.220446049250313e-16;
                Assert.InRange((PortableMath.Power(x, y) - expected) / expected, -allowed, allowed);
            }
        }

        Assert.Equal(Math.Pow(0.93, 17), PortableMath.Power(0.93, 17L), 1e-15);
    }

    private static IEnumerable<int> Reductions(ReduceOnPlateau schedule, params double[] losses)
    {
        var state = PlateauState.Start;
        return [.. losses.Select(loss => (state = schedule.After(state, loss)).Reductions)];
    }
}
