using DistributedTrainer.Cli.Commands;
using DistributedTrainer.Cli.Tuning;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tests;

/// <summary>Which trials go on, and how they rank.</summary>
public sealed class StandingsTests
{
    private const string Yaml = """
        data: { source: iris }
        model: { layers: [ linear: 3 ] }
        training: { epochs: 9, batch-size: 16 }
        tune: { search: grid, halving: { factor: 3 }, ranges: { seed: [1, 2, 3, 4, 5, 6, 7] } }
        """;

    [Fact]
    public void The_best_third_goes_on_at_each_rung_to_the_end()
    {
        var list = List(Yaml);
        Assert.Equal([1, 3, null], list.Rungs);
        var standings = new Standings(list);
        Assert.Equal([1, 2, 3, 4, 5, 6, 7], Due(standings));
        Assert.All(standings.Next(), static due => Assert.Equal((0, 1), (due.Rung, due.Experiment.Training.PauseAfter)));
        Add(standings, list, 0, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1);

        // 7 / 3.
        Assert.Equal([6, 7], Due(standings));
        Assert.All(standings.Next(), static due => Assert.Equal((1, 3), (due.Rung, due.Experiment.Training.PauseAfter)));
        standings.Add(list.Trials[6].Runs(null)[0], 1, Paused(0.3));
        Assert.Equal([6], Due(standings));
        standings.Add(list.Trials[5].Runs(null)[0], 1, Paused(0.2));
        Assert.Equal([6], Due(standings));
        Assert.Equal((2, null), standings.Next()[0] is var last ? (last.Rung, last.Experiment.Training.PauseAfter) : default);
        standings.Add(list.Trials[5].Runs(null)[0], 2, Ended(0.9));

        // Whoever went on is better than who did not, whatever became of it.
        Assert.Empty(standings.Next());
        Assert.Equal([6, 7, 5, 4, 3, 2, 1], standings.Sorted().Select(static result => result.Trial.Number));
        Assert.Equal([2, 1, 0, 0, 0, 0, 0], standings.Sorted().Select(static result => result.Rung));
        Assert.Equal([false, true, true, true, true, true, true], standings.Sorted().Select(static result => result.IsStopped));
    }

    [Fact]
    public void Equal_trials_go_on_in_their_order_whichever_ended_first()
    {
        var list = List(Yaml);
        var standings = new Standings(list);
        foreach (var run in list.Runs.Reverse())
        {
            standings.Add(run, 0, Paused(0.5));
        }

        Assert.Equal([1, 2], Due(standings));
    }

    [Fact]
    public void What_failed_or_diverged_does_not_go_on_even_where_nothing_else_is_left()
    {
        var list = List(Yaml);
        var standings = new Standings(list);
        Add(standings, list, 0, double.NaN, double.PositiveInfinity, 0.5, double.NaN, double.NaN, double.NaN, double.NaN);
        standings.Add(list.Trials[3].Runs(null)[0], 0, new RunResult(null) { Failure = "the loss is not finite" });
        Assert.Equal([3], Due(standings));
        standings.Add(list.Trials[2].Runs(null)[0], 1, new RunResult(null) { Failure = "the loss is not finite" });
        Assert.Empty(standings.Next());
        Assert.DoesNotContain(standings.Sorted(), static result => result.IsFinite(EarlyStoppingMetric.ValidationLoss));
    }

    [Fact]
    public void A_trial_that_stopped_early_by_itself_is_compared_as_it_is_and_not_run_again()
    {
        var list = List(Yaml);
        var standings = new Standings(list);
        Add(standings, list, 0, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1);
        standings.Add(list.Trials[6].Runs(null)[0], 0, Ended(0.1));
        Assert.Equal([6], Due(standings));
        standings.Add(list.Trials[5].Runs(null)[0], 1, Paused(0.2));
        Assert.Empty(standings.Next());
        Assert.Equal((7, 2, false), standings.Sorted()[0] is var best ? (best.Trial.Number, best.Rung, best.IsStopped) : default);
    }

    [Fact]
    public void With_folds_the_mean_decides_and_is_waited_for()
    {
        var list = List(Yaml.Replace("source: iris", "source: iris, folds: 2", StringComparison.Ordinal).Replace("[1, 2, 3, 4, 5, 6, 7]", "[1, 2, 3]", StringComparison.Ordinal));
        var standings = new Standings(list);
        Assert.Equal(6, standings.Next().Count);
        foreach (var (run, loss) in list.Runs.SkipLast(1).Zip([0.1, 0.9, 0.4, 0.5, 0.3]))
        {
            standings.Add(run, 0, Paused(loss, run.Fold));
        }

        Assert.Equal([3], Due(standings));
        Assert.Equal([2, 1], standings.Sorted().Select(static result => result.Trial.Number));
        standings.Add(list.Runs.Last(), 0, Paused(0.8, 2));
        Assert.Equal([2, 2], Due(standings));
        Assert.Equal([1, 2], standings.Next().Select(static due => due.Run.Fold));
    }

    [Fact]
    public void Without_halving_each_run_is_due_once()
    {
        var list = List(Yaml.Replace("halving: { factor: 3 }, ", "", StringComparison.Ordinal));
        var standings = new Standings(list);
        Assert.Equal([null], list.Rungs);
        Add(standings, list, 0, 0.7, 0.6, 0.5);
        Assert.Equal([4, 5, 6, 7], Due(standings));
        Assert.All(standings.Next(), static due => Assert.Equal(due.Run.Experiment, due.Experiment));
        Add(standings, list, 0, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1);
        Assert.Empty(standings.Next());
        Assert.Equal([7, 6, 5, 4, 3, 2, 1], standings.Sorted().Select(static result => result.Trial.Number));
        Assert.DoesNotContain(standings.Sorted(), static result => result.IsStopped);
    }

    private static int[] Due(Standings standings) => [.. standings.Next().Select(static due => due.Run.Trial.Number)];

    private static void Add(Standings standings, TrialList list, int rung, params double[] losses)
    {
        foreach (var (trial, loss) in list.Trials.Zip(losses))
        {
            standings.Add(trial.Runs(null)[0], rung, Paused(loss));
        }
    }

    private static RunResult Paused(double loss, int? fold = null) => Ended(loss, fold) with { Paused = true };

    private static RunResult Ended(double loss, int? fold = null) => new(fold) { ValidationLoss = loss };

    private static TrialList List(string yaml)
    {
        var problems = new List<string>();
        var list = TrialList.Create(new ExperimentText(yaml, "e.yaml", "."), [], problems);
        Assert.Empty(problems);
        return list!;
    }
}
