namespace DistributedTrainer.Experiments.Tests;

/// <summary>The section tune, and one fold of several.</summary>
public sealed class TuneTests
{
    [Fact]
    public void A_search_is_read()
    {
        var tune = Reads.Good(Reads.Minimal + """
            tune:
              search: grid
              trials: 40
              metric: validation-accuracy
              ranges:
                optimizer.learning-rate: { from: 0.0001, to: 0.1, scale: log, points: 4 }
                training.batch-size: [32, 64]
                model.layers.0.linear: { from: 16, to: 128, whole: true }
                data.preprocess: [[], [standardize], [polynomial: 2, min-max]]
            """).Tune!;

        Assert.Equal((SearchKind.Grid, 40, EarlyStoppingMetric.ValidationAccuracy), (tune.Search, tune.Trials!.Value, tune.Metric));
        Assert.Equal(
            [
                new NumberRange("optimizer.learning-rate", 0.0001, 0.1, RangeScale.Log, Points: 4),
                new ChoiceRange("training.batch-size", ["32", "64"]),
                new NumberRange("model.layers.0.linear", 16, 128, Whole: true),
                new ChoiceRange("data.preprocess", ["[]", "[standardize]", "[{polynomial: 2}, min-max]"]),
            ],
            tune.Ranges);
    }

    [Fact]
    public void The_defaults_are_a_random_search_by_the_validation_loss()
    {
        var tune = Reads.Good(Reads.Minimal + "tune: { ranges: { seed: [1, 2] } }").Tune!;

        Assert.Equal((SearchKind.Random, null, EarlyStoppingMetric.ValidationLoss), (tune.Search, tune.Trials, tune.Metric));
    }

    [Theory]
    [InlineData("halving: {}", 3, 1)]
    [InlineData("halving: { factor: 4, first-epochs: 2 }", 4, 2)]
    public void Halving_is_read(string keys, int factor, int first) =>
        Assert.Equal(new HalvingOptions { Factor = factor, FirstEpochs = first }, Reads.Good(Reads.Minimal + $"tune: {{ {keys} }}").Tune!.Halving);

    [Theory]
    [InlineData(3, 1, 27, "1 3 9 27")]
    [InlineData(3, 1, 30, "1 3 9 30")]
    [InlineData(3, 1, 26, "1 3 26")]
    [InlineData(2, 3, 24, "3 6 12 24")]
    [InlineData(2, 5, 10, "5 10")]
    [InlineData(2, 5, 9, "9")]
    [InlineData(1000, 2_000_000, int.MaxValue, "2000000 2147483647")]
    public void Each_rung_is_a_factor_later_and_the_last_is_the_end(int factor, int first, int epochs, string expected) =>
        Assert.Equal(expected, string.Join(' ', new HalvingOptions { Factor = factor, FirstEpochs = first }.Rungs(epochs)));

    [Theory]
    [InlineData(81, 27)]
    [InlineData(8, 2)]
    [InlineData(2, 1)]
    [InlineData(1, 1)]
    public void One_of_factor_trials_goes_on_but_never_none(int trials, int expected) => Assert.Equal(expected, new HalvingOptions().GoingOn(trials));

    [Fact]
    public void Values_survive_on_one_line_as_they_were()
    {
        var values = ((ChoiceRange)Assert.Single(Reads.Good(Reads.Minimal + """
            tune:
              ranges:
                data.target:
                  - plain
                  - 'quoted: yes'
                  - "a, b"
                  - it's
                  - ~
                  - { a: [1, 'two'] }
            """).Tune!.Ranges)).Values;

        Assert.Equal(["plain", "'quoted: yes'", "'a, b'", "it's", "~", "{a: [1, 'two']}"], values);
    }

    [Theory]
    [InlineData("tune: { ranges: { training.batch-size: 32 } }", "ranges.training.batch-size: '32' is no range. Write values such as [32, 64], or { from: 0.0001, to: 0.1, scale: log }.")]
    [InlineData("tune: { ranges: { seed: [] } }", "ranges.seed: a list is no range. Write values such as [32, 64], or { from: 0.0001, to: 0.1, scale: log }.")]
    [InlineData("tune: { ranges: { seed: [1, 2, 1] } }", "ranges.seed: '1' is in the list twice. Write each value once.")]
    [InlineData("tune: { ranges: { seed: { from: 1 } } }", "ranges.seed.to: is missing. Write both ends, such as { from: 0.0001, to: 0.1, scale: log }.")]
    [InlineData("tune: { ranges: { seed: { from: 2, to: 1 } } }", "ranges.seed.to: '1' is not possible. Write a number above from, 2.")]
    [InlineData("tune: { ranges: { seed: { from: 0, to: 1, scale: log } } }", "ranges.seed.from: '0' is not possible. Write a number above 0.")]
    [InlineData("tune: { ranges: { seed: { from: 1.5, to: 3, whole: true } } }", "ranges.seed.from: '1.5' is not possible. Write a whole number.")]
    [InlineData("tune: { ranges: { seed: { from: 1, to: 3, points: 1 } } }", "ranges.seed.points: '1' is not possible. Write a whole number from 2 to 1000.")]
    [InlineData("tune: { ranges: { cluster.workers: [1, 2] } }", "ranges.cluster.workers: nothing under cluster changes a result. Remove it.")]
    [InlineData("tune: { ranges: { data.folds: [3, 5] } }", "ranges.data.folds: trials with another value could not be compared. Remove it.")]
    [InlineData("tune: { search: bayes }", "search: 'bayes' is unknown. Possible are grid, random.")]
    [InlineData("tune: { trails: 5 }", "trails: there is no such key. Did you mean trials?")]
    [InlineData("tune: { halving: { factor: 1 } }", "halving.factor: '1' is not possible. Write a whole number from 2 to 1000.")]
    [InlineData("tune: { halving: { first-epochs: 0 } }", "halving.first-epochs: '0' is not possible. Write a whole number, 1 or more.")]
    [InlineData("tune: { halving: { rungs: 3 } }", "halving.rungs: there is no such key. Possible are factor, first-epochs.")]
    [InlineData("tune: { halving: 3 }", "halving: '3' is not a section. Write keys under it, such as halving: { factor: 3 }.")]
    [InlineData("tune: { trials: 0 }", "trials: '0' is not possible. Write a whole number from 1 to 100000.")]
    public void Problems(string line, string expected) => Assert.Equal($"test.yaml:5: tune.{expected}", Reads.Problem(line));

    [Fact]
    public void Numbers_have_no_accuracy_to_compare_by() =>
        Assert.Equal(
            "test.yaml:6: tune.metric: mean-squared-error compares numbers, which have no accuracy. Write validation-loss.",
            Reads.Problem("loss: mean-squared-error\ntune: { metric: validation-accuracy }"));

    [Theory]
    [InlineData("fold: 2", "fold: 2 is one of how many? Write data.folds too, such as folds: 5.")]
    [InlineData("folds: 3, fold: 4", "fold: 4 is not possible. Write a whole number from 1 to data.folds, 3.")]
    [InlineData("folds: 3, fold: 0", "fold: '0' is not possible. Write a whole number from 1 to 1000.")]
    public void A_fold_is_one_of_the_folds(string data, string expected) =>
        Assert.Equal($"test.yaml:1: data.{expected}", Assert.Single(Reads.Problems($"data: {{ source: digits, {data} }}\nmodel: {{ layers: [ linear: 10 ] }}\n")));

    [Theory]
    [InlineData("{ kind: range-test }", 1e-6, 1.0, null)]
    [InlineData("{ kind: range-test, from: 0.001, to: 10, steps: 50 }", 0.001, 10.0, 50)]
    [InlineData("{ kind: range-test, from: 3 }", 3.0, 6.0, null)]
    public void The_range_test_is_a_schedule(string schedule, double from, double to, int? steps) =>
        Assert.Equal(new RangeTestScheduleOptions(from, to, steps), Reads.Good(Reads.Minimal + $"optimizer: {{ schedule: {schedule} }}").Optimizer.Schedule);

    [Theory]
    [InlineData("from: 2, to: 1", "to: '1' is not possible. Write a number above from, 2.")]
    [InlineData("steps: 1", "steps: '1' is not possible. Write a whole number, 2 or more.")]
    [InlineData("every: 5", "every: range-test has no every; step has. Remove it.")]
    public void A_wrong_range_test_is_refused(string keys, string expected) =>
        Assert.StartsWith($"test.yaml:5: optimizer.schedule.{expected}", Reads.Problem($"optimizer: {{ schedule: {{ kind: range-test, {keys} }} }}"), StringComparison.Ordinal);
}
