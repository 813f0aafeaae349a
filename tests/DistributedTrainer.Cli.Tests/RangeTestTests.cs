using DistributedTrainer.Cli.Tuning;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tests;

public sealed class RangeTestTests
{
    [Fact]
    public void The_suggestion_is_where_the_loss_falls_most_steeply()
    {
        // A logistic fall around step 60, then a rise from step 85 on.
        var test = RangeTest.Judge(Points(static step => (2 / (1 + Math.Exp((step - 60) / 4.0))) + Math.Max(0, step - 85)));
        Assert.InRange(test.Suggestion!.Value, Rate(58), Rate(62));
    }

    [Fact]
    public void Noise_of_single_batches_does_not_move_it_far()
    {
        var test = RangeTest.Judge(Points(static step => (2 / (1 + Math.Exp((step - 60) / 4.0))) + (0.1 * ((step * 7919 % 13) - 6) / 6) + Math.Max(0, step - 85)));
        Assert.InRange(test.Suggestion!.Value, Rate(54), Rate(66));
    }

    [Fact]
    public void A_loss_that_only_grows_suggests_nothing() => Assert.Null(RangeTest.Judge(Points(static step => step)).Suggestion);

    [Fact]
    public void A_loss_that_stays_is_smoothed_to_itself() => Assert.All(RangeTest.Judge(Points(static _ => 3)).Smoothed, static loss => Assert.Equal(3, loss, 12));

    [Fact]
    public void Steps_are_read_from_the_metrics_and_evaluations_are_passed_over() =>
        Assert.Equal(
            [new RangePoint(1, 0.001, 2.5), new RangePoint(2, 0.01, 2)],
            RangeTest.Read(
            [
                """{"step":1,"epoch":0.1,"loss":2.5,"learningRate":0.001,"rowsPerSecond":0}""",
                """{"step":2,"epoch":0.2,"loss":2,"learningRate":0.01,"rowsPerSecond":10}""",
                """{"step":2,"epoch":0.2,"validationLoss":2,"validationAccuracy":0.5}""",
            ]));

    [Fact]
    public void The_run_takes_the_rate_from_the_test_alone()
    {
        var experiment = ExperimentReader.Read(
            "data: { source: iris, folds: 3 }\nmodel: { layers: [ linear: 3 ] }\ntraining: { epochs: 9, early-stopping: { patience: 2 } }\noptimizer: { schedule: cosine }\n", "e.yaml", []).Experiment!;
        var tested = RangeTest.Of(experiment, 1e-5, 2, 50);
        Assert.Equal(new RangeTestScheduleOptions(1e-5, 2, 50), tested.Optimizer.Schedule);
        Assert.Equal((null, 50, null, 1), (tested.Training.Epochs, tested.Training.Steps!.Value, tested.Training.EarlyStopping, tested.Data.Fold!.Value));
    }

    [Fact]
    public void The_table_shows_some_twenty_points_and_the_last()
    {
        var rows = RangeTest.Judge(Points(static step => step)).Rows();
        Assert.InRange(rows.Count, 20, 22);
        Assert.Equal("100", rows[^1][0]);
    }

    private static RangePoint[] Points(Func<int, double> loss) => [.. Enumerable.Range(1, 100).Select(step => new RangePoint(step, Rate(step), loss(step)))];

    private static double Rate(int step) => 1e-6 * Math.Pow(1e6, (step - 1) / 99.0);
}
