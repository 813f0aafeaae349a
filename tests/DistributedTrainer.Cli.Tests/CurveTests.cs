using DistributedTrainer.Cli.Views;

namespace DistributedTrainer.Cli.Tests;

public sealed class CurveTests
{
    private const string Levels = "0123456789";

    [Fact]
    public void A_curve_without_points_is_nothing() => Assert.Equal("", new Curve().Draw(10, Levels));

    [Fact]
    public void What_is_even_is_a_line() => Assert.Equal("000", Of(5, 5, 5).Draw(10, Levels));

    [Fact]
    public void Heights_go_from_the_lowest_to_the_highest() => Assert.Equal("9630", Of(3, 2, 1, 0).Draw(10, Levels));

    [Fact]
    public void Of_positive_numbers_factors_are_drawn() => Assert.Equal("9630", Of(1000, 100, 10, 1).Draw(10, Levels));

    [Fact]
    public void Where_there_is_less_room_neighbours_are_one() => Assert.Equal("90", Of(8, 6, -1, -3).Draw(2, Levels));

    [Fact]
    public void What_is_not_finite_is_left_out()
    {
        var curve = Of(double.NaN, 1, double.PositiveInfinity, 0);
        Assert.Equal(("90", 0), (curve.Draw(10, Levels), curve.Last));
        Assert.True(double.IsNaN(new Curve().Last));
    }

    [Fact]
    public void A_long_curve_keeps_its_beginning_and_its_end()
    {
        var curve = new Curve();
        for (var i = 0; i < 100_000; i++)
        {
            curve.Add(-i);
        }

        Assert.Equal("9876543210", curve.Draw(10, Levels));
        Assert.InRange(curve.Draw(1000, Levels).Length, 128, 256);
    }

    private static Curve Of(params double[] values)
    {
        var curve = new Curve();
        Array.ForEach(values, curve.Add);
        return curve;
    }
}
