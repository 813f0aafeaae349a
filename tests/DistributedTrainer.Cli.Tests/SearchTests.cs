using System.Globalization;
using DistributedTrainer.Cli.Tuning;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tests;

public sealed class SearchTests
{
    private static readonly NumberRange Rate = new("optimizer.learning-rate", 0.0001, 0.1, RangeScale.Log);

    [Fact]
    public void A_grid_is_every_combination_and_the_last_key_changes_fastest() =>
        Assert.Equal(
            ["a=1 b=x", "a=1 b=y", "a=2 b=x", "a=2 b=y"],
            Texts(new TuneOptions { Search = SearchKind.Grid, Ranges = [new ChoiceRange("a", ["1", "2"]), new ChoiceRange("b", ["x", "y"])] }));

    [Theory]
    [InlineData(1, 1000, RangeScale.Log, false, 4, "1 10 100 1000")]
    [InlineData(0, 1, RangeScale.Linear, false, 5, "0 0.25 0.5 0.75 1")]
    [InlineData(0, 1, RangeScale.Linear, false, 4, "0 0.3333 0.6667 1")]
    [InlineData(16, 128, RangeScale.Log, true, 4, "16 32 64 128")]
    [InlineData(1, 3, RangeScale.Linear, true, 5, "1 2 3")]
    [InlineData(0.123456789, 0.2, RangeScale.Linear, false, 2, "0.123456789 0.2")]
    public void The_points_of_a_grid_lie_evenly_on_their_scale(double from, double to, RangeScale scale, bool whole, int points, string expected) =>
        Assert.Equal(
            expected.Split(' ').Select(static value => $"k={value}"),
            Texts(new TuneOptions { Search = SearchKind.Grid, Ranges = [new NumberRange("k", from, to, scale, whole, points)] }));

    [Fact]
    public void A_grid_that_is_larger_than_the_number_of_trials_is_refused()
    {
        var problems = new List<string>();
        Assert.Empty(Search.Trials(new TuneOptions { Search = SearchKind.Grid, Trials = 9, Ranges = [Rate, new ChoiceRange("b", ["x", "y"])] }, 1, problems));
        Assert.StartsWith("tune: the grid has 10 combinations (5 x 2), more than tune.trials, 9.", Assert.Single(problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Random_trials_depend_on_the_seed_alone_and_more_trials_continue_them()
    {
        var tune = new TuneOptions { Trials = 10, Ranges = [Rate, new ChoiceRange("b", ["x", "y", "z"])] };
        var ten = Texts(tune);
        Assert.Equal(10, ten.Length);
        Assert.Equal(ten, Texts(tune));
        Assert.Equal(ten, Texts(tune with { Trials = 30 })[..10]);
        Assert.NotEqual(ten, Texts(tune, seed: 2));
    }

    [Fact]
    public void The_values_of_a_seed_stay_what_they_are() =>
        Assert.Equal(
            ["k=0.0002764 n=16", "k=0.0007206 n=32", "k=0.001454 n=32"],
            Texts(new TuneOptions { Trials = 3, Ranges = [Rate with { Key = "k" }, new ChoiceRange("n", ["16", "32"])] }, seed: 42));

    [Fact]
    public void Random_numbers_fill_a_logarithmic_range_evenly()
    {
        var values = Texts(new TuneOptions { Trials = 3000, Ranges = [new NumberRange("a", 1, 2), new NumberRange("b", 1, 2), Rate with { Key = "k" }] })
            .Select(static text => Math.Log10(double.Parse(text[(text.IndexOf("k=", StringComparison.Ordinal) + 2)..], CultureInfo.InvariantCulture))).ToArray();
        Assert.All(values, static value => Assert.InRange(value, -4, -1));

        // A third in each decade; three standard deviations of the count are 78.
        foreach (var decade in (int[])[-4, -3, -2])
        {
            Assert.InRange(values.Count(value => Math.Floor(value) == decade), 920, 1080);
        }
    }

    [Fact]
    public void Whole_numbers_reach_both_ends_and_come_equally_often()
    {
        var counts = new int[4];
        for (var seed = 0UL; seed < 2000; seed++)
        {
            counts[int.Parse(Texts(new TuneOptions { Trials = 1, Ranges = [new NumberRange("k", 0, 3, Whole: true)] }, seed)[0][2..], CultureInfo.InvariantCulture)]++;
        }

        Assert.All(counts, static count => Assert.InRange(count, 440, 560));
    }

    [Fact]
    public void No_trial_comes_twice_and_a_small_space_has_fewer_of_them() =>
        Assert.Equal(["k=1", "k=2", "k=3"], Texts(new TuneOptions { Trials = 20, Ranges = [new ChoiceRange("k", ["1", "2", "3"])] }).Order());

    [Fact]
    public void Without_ranges_there_is_one_trial_as_the_file_says() => Assert.Equal([""], Texts(new TuneOptions()));

    private static string[] Texts(TuneOptions tune, ulong seed = 1)
    {
        var problems = new List<string>();
        var trials = Search.Trials(tune, seed, problems);
        Assert.Empty(problems);
        return [.. trials.Select(static trial => string.Join(' ', (object[])trial))];
    }
}
