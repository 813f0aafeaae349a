using System.Text.Json;
using DistributedTrainer.Cli.Commands;
using DistributedTrainer.Cli.Tuning;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tests;

public sealed class TrialResultTests : IDisposable
{
    private const string Yaml = """
        data: { source: iris, folds: 3, split: { test: 0.2 } }
        model: { layers: [ linear: 3 ] }
        training: { epochs: 1, batch-size: 16 }
        tune: { search: grid, ranges: { seed: [1, 2] } }
        """;

    private const string Halved = """
        data: { source: iris }
        model: { layers: [ linear: 3 ] }
        training: { epochs: 9, batch-size: 16 }
        tune: { search: grid, halving: { factor: 3, first-epochs: 1 }, ranges: { seed: [1, 2, 3] } }
        """;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("tune-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_trial_is_a_run_for_each_fold()
    {
        var list = List(Yaml);
        Assert.Equal(
            [.. from trial in (int[])[1, 2] from fold in (int[])[1, 2, 3] select Path.Combine($"trial-000{trial}", $"fold-{fold}")],
            list.Runs.Select(static run => run.Folder));
        Assert.Equal([1, 2, 3, 1, 2, 3], list.Runs.Select(static run => run.Experiment.Data.Fold!.Value));
        Assert.Equal([1UL, 2UL], list.Trials.Select(static trial => trial.Experiment.Seed));
        Assert.All(list.Runs, static run => Assert.Null(run.Experiment.Tune));
    }

    [Fact]
    public void A_fold_that_is_chosen_is_the_only_one() =>
        Assert.Equal([2, 2], List(Yaml.Replace("folds: 3", "folds: 3, fold: 2", StringComparison.Ordinal)).Runs.Select(static run => run.Experiment.Data.Fold!.Value));

    [Fact]
    public void The_problems_of_all_trials_are_told_once_each_and_name_the_ranges()
    {
        var problems = new List<string>();
        Assert.Null(TrialList.Create(new ExperimentText(Yaml.Replace("seed: [1, 2]", "optimizer.learning-rat: [1, 2], training.shards: [2, 99]", StringComparison.Ordinal), "e.yaml", "."), [], problems));
        Assert.Equal(2, problems.Count);
        Assert.Equal("tune.ranges: optimizer.learning-rat: there is no such key. Did you mean learning-rate?", problems[0]);
        Assert.StartsWith("tune.ranges: training.shards: 99 shards are more than", problems[1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("data: { source: iris }\nmodel: { layers: [ linear: 3 ] }\n", "e.yaml: there is nothing to tune.")]
    [InlineData("data: { source: iris, split: none }\nmodel: { layers: [ linear: 3 ] }\ntune: { ranges: { seed: [1, 2] } }\n", "e.yaml: there are no validation rows to compare trials by.")]
    [InlineData("data: { source: iris, folds: 200 }\nmodel: { layers: [ linear: 3 ] }\ntraining: { shards: 1 }\n", "data.folds: folds: 200 folds of 150 rows were asked for.")]
    public void What_cannot_be_tuned_is_refused(string yaml, string expected)
    {
        var problems = new List<string>();
        Assert.Null(TrialList.Create(new ExperimentText(yaml, "e.yaml", "."), [], problems));
        Assert.StartsWith(expected, Assert.Single(problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Means_and_deviations_are_those_between_the_folds()
    {
        var result = Result(1, 1, 2, 6);
        Assert.Equal(3, result.Mean(static run => run.ValidationLoss));
        Assert.Equal(Math.Sqrt(7), result.Deviation(static run => run.ValidationLoss)!.Value, 12);
        Assert.Null(Result(1, 5).Deviation(static run => run.ValidationLoss));
    }

    [Fact]
    public void The_best_comes_first_and_what_failed_or_diverged_last()
    {
        var failed = new TrialResult(Trial(3), [new RunResult(null) { Failure = "the loss is not finite" }]);
        var sorted = TrialResult.Sorted([Result(1, 2), Result(2, double.NaN), failed, Result(4, 1), Result(5, double.PositiveInfinity)], EarlyStoppingMetric.ValidationLoss);
        Assert.Equal([4, 1, 2, 3, 5], sorted.Select(static result => result.Trial.Number));
        Assert.Equal([true, true, false, false, false], sorted.Select(static result => result.IsFinite(EarlyStoppingMetric.ValidationLoss)));
    }

    [Fact]
    public void The_highest_accuracy_is_best_and_the_loss_decides_between_equal_ones()
    {
        TrialResult[] results = [Of(1, 0.9, 0.3), Of(2, 0.9, 0.2), Of(3, 0.8, 0.1)];
        Assert.Equal([2, 1, 3], TrialResult.Sorted(results, EarlyStoppingMetric.ValidationAccuracy).Select(static result => result.Trial.Number));

        TrialResult Of(int number, double accuracy, double loss) => new(Trial(number), [new RunResult(null) { ValidationAccuracy = accuracy, ValidationLoss = loss }]);
    }

    [Fact]
    public void A_result_is_read_from_the_file_of_its_run()
    {
        var result = RunResult.Of(2, """{"steps":30,"parametersSha256":"abc","metrics":{"trainLoss":0.5,"validationLoss":"NaN","testAccuracy":0.25}}""");
        Assert.Equal((2, 30, "abc", 0.5, 0.25), (result.Fold!.Value, result.Steps, result.ParametersSha256, result.TrainLoss!.Value, result.TestAccuracy!.Value));
        Assert.True(double.IsNaN(result.ValidationLoss!.Value));
        Assert.Null(result.ValidationAccuracy);
    }

    [Fact]
    public void A_run_that_has_ended_is_found_again_unless_the_experiment_is_another()
    {
        var (folder, run, problems) = (new TuneFolder(_folder.FullName), List(Yaml).Runs.First(), new List<string>());
        Assert.Empty(folder.Find(run, [null], problems));
        Write("experiment.yaml", ExperimentWriter.Write(run.Experiment));
        Assert.Empty(folder.Find(run, [null], problems));
        Write("result.json", """{"steps":30,"parametersSha256":"abc","metrics":{"validationLoss":0.5}}""");
        Assert.Equal(0.5, Assert.Single(folder.Find(run, [null], problems)).ValidationLoss);

        // A run that fails in mid-course may have a result too: that of the step before.
        Write("ended.txt", "step 7 is not finite: in shard 1. Nothing of it was applied.\n");
        Assert.Equal(("step 7 is not finite: in shard 1.", null), Assert.Single(folder.Find(run, [null], problems)) is var failed ? (failed.Failure, failed.ValidationLoss) : default);
        Assert.Empty(problems);

        Assert.Empty(folder.Find(run with { Experiment = run.Experiment with { Seed = 99 } }, [null], problems));
        Assert.Contains("holds the result of another experiment", Assert.Single(problems), StringComparison.Ordinal);

        void Write(string name, string text) => Put(folder, run, name, text);
    }

    [Fact]
    public void A_run_is_found_again_at_each_rung_that_it_came_to()
    {
        var (folder, run, problems) = (new TuneFolder(_folder.FullName), List(Halved).Runs.First(), new List<string>());
        int?[] rungs = [1, 3, null];
        Put(folder, run, "experiment.yaml", ExperimentWriter.Write(run.UpTo(1)));
        Put(folder, run, "result.json", Result(0.5));

        // Its end at the rung was not noted yet; so it is now, since going on deletes the result.
        Assert.Equal([0.5], Losses());
        File.Delete(folder.In(Path.Combine(run.Folder, "result.json")));
        Put(folder, run, "experiment.yaml", ExperimentWriter.Write(run.UpTo(3)));
        Assert.Equal([0.5], Losses());
        Assert.True(TuneFolder.HasBegun(run, folder.In(run.Folder)));
        Put(folder, run, "rung-3.json", Result(0.4));
        Assert.Equal([0.5, 0.4], Losses());
        Put(folder, run, "experiment.yaml", ExperimentWriter.Write(run.Experiment));
        Put(folder, run, "result.json", Result(0.3));
        Assert.Equal([0.5, 0.4, 0.3], Losses());
        Assert.Empty(problems);

        double[] Losses() => [.. folder.Find(run, rungs, problems).Select(static result => result.ValidationLoss!.Value)];
    }

    [Theory]
    [InlineData(1, "result.json")]
    [InlineData(3, "rung-1.json rung-3.json")]
    [InlineData(null, "result.json")]
    [InlineData(null, "rung-1.json rung-3.json result.json")]
    public void A_folder_of_other_rungs_is_not_gone_on_with(int? begun, string files)
    {
        var (folder, run, problems) = (new TuneFolder(_folder.FullName), List(Halved).Runs.First(), new List<string>());
        Put(folder, run, "experiment.yaml", ExperimentWriter.Write(run.UpTo(begun)));
        foreach (var file in files.Split(' '))
        {
            Put(folder, run, file, Result(0.5));
        }

        Assert.Empty(folder.Find(run, [2, 4, null], problems));
        Assert.Contains("or of a search with other rungs", Assert.Single(problems), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("epochs: 9", "steps: 90", "trials are compared after epochs, and training.steps is given. Write training.epochs.")]
    [InlineData("seed: [1, 2, 3]", "training.epochs: [9, 12]", "trials of different lengths cannot be compared on their way. Remove training.epochs from tune.ranges.")]
    [InlineData("first-epochs: 1", "first-epochs: 4", "first-epochs, 4, times factor, 3, is more than training.epochs, 9: no trial would be stopped. Write fewer first-epochs, or more epochs.")]
    [InlineData("seed: [1, 2, 3]", "training.mode: [sync, async]", "a trial in mode async cannot pause and go on as if it had not. Write training.mode: sync, or remove halving.")]
    [InlineData("epochs: 9", "epochs: 9, pause-after: 2", "it says itself where trials pause. Remove training.pause-after.")]
    [InlineData("seed: [1, 2, 3]", "seed: [1]", "there is a single trial, and none that it could fall behind. Write more values under tune.ranges, or remove halving.")]
    public void Halving_that_makes_no_sense_is_refused(string was, string becomes, string expected)
    {
        var problems = new List<string>();
        Assert.Null(TrialList.Create(new ExperimentText(Halved.Replace(was, becomes, StringComparison.Ordinal), "e.yaml", "."), [], problems));
        Assert.Equal($"e.yaml: tune.halving: {expected}", Assert.Single(problems));
    }

    [Fact]
    public void The_best_experiment_trains_on_all_folds_and_finds_its_data_from_its_own_folder()
    {
        File.WriteAllText(Path.Combine(_folder.FullName, "rows.csv"), "a,kind\n" + string.Concat(Enumerable.Range(0, 60).Select(static i => $"{i},{(i % 2 == 0 ? "x" : "y")}\n")));
        var yaml = Yaml.Replace("source: iris", "source: rows.csv", StringComparison.Ordinal).Replace("linear: 3", "linear: 2", StringComparison.Ordinal);
        var list = List(yaml, _folder.FullName);
        var folder = new TuneFolder(Path.Combine(_folder.FullName, "search"));
        var text = folder.BestYaml(new TrialResult(list.Trials[1], [new RunResult(1) { ValidationLoss = 0.25 }]), EarlyStoppingMetric.ValidationLoss);

        Assert.StartsWith("# Trial 2: validation-loss 0.25.", text, StringComparison.Ordinal);
        var best = ExperimentReader.Read(text, "best.yaml", []).Experiment!;
        Assert.Equal((2UL, null, null, 0, 0.2), (best.Seed, best.Data.Folds, best.Data.Fold, best.Data.Split!.Validation, best.Data.Split.Test));
        Assert.Equal(Path.Combine("..", "rows.csv"), best.Data.Source);
        Assert.Null(best.Tune);
    }

    [Fact]
    public void The_best_experiment_keeps_validation_rows_where_something_watches_them()
    {
        var list = List(Yaml.Replace("batch-size: 16", "batch-size: 16, early-stopping: { patience: 3 }", StringComparison.Ordinal));
        var text = new TuneFolder("search").BestYaml(new TrialResult(list.Trials[0], [new RunResult(1) { ValidationLoss = 1 }]), EarlyStoppingMetric.ValidationLoss);
        Assert.Equal(0.2667, ExperimentReader.Read(text, "best.yaml", []).Experiment!.Data.Split!.Validation);
    }

    [Fact]
    public void The_results_name_the_best_and_hold_no_time()
    {
        var list = List(Yaml);
        TrialResult[] results = [.. list.Trials.Select(static trial => new TrialResult(trial, [new RunResult(1) { ValidationLoss = 3 - trial.Number }, new RunResult(2) { ValidationLoss = 3 - trial.Number }]))];
        var json = JsonDocument.Parse(JsonText.Of(TuneFolder.Results(list, TrialResult.Sorted(results, EarlyStoppingMetric.ValidationLoss)))).RootElement;
        Assert.Equal(2, json.GetProperty("best").GetInt32());
        Assert.Equal("grid", json.GetProperty("search").GetString());
        Assert.Equal("2", json.GetProperty("trials")[0].GetProperty("settings").GetProperty("seed").GetString());
        Assert.Equal(1, json.GetProperty("trials")[0].GetProperty("validationLoss").GetDouble());
        Assert.Equal(2, json.GetProperty("trials")[0].GetProperty("runs").GetArrayLength());
        Assert.False(json.GetProperty("trials")[0].TryGetProperty("seconds", out _));
    }

    [Fact]
    public void A_single_trial_is_shown_fold_by_fold_with_the_mean()
    {
        var (headers, rows) = TuneTable.Of(new TuneOptions(), [Result(1, 1, 2, 6)]);
        Assert.Equal(["trial", "validation loss"], headers);
        Assert.Equal(["fold 1 1.0000", "fold 2 2.0000", "fold 3 6.0000", "mean 3.0000 ± 2.6458"], rows.Select(static row => string.Join(' ', row)));
    }

    [Fact]
    public void The_table_of_a_search_with_rungs_says_where_each_trial_ended()
    {
        TrialResult[] results = [At(2, 9, 2, false, 0.2), At(1, 3, 1, true, 0.1), At(3, 1.5, 0, true, 0.4)];
        var (headers, rows) = TuneTable.Of(new TuneOptions(), results, rungs: 3);
        Assert.Equal(["trial", "epochs", "rung", "validation loss"], headers);
        Assert.Equal(["2 9 3/3 0.2000", "1 3 2/3 stopped 0.1000", "3 1.5 1/3 stopped 0.4000"], rows.Select(static row => string.Join(' ', row)));

        static TrialResult At(int number, double epochs, int rung, bool stopped, double loss) =>
            new(Trial(number), [new RunResult(null) { ValidationLoss = loss, Epochs = epochs }], rung, stopped);
    }

    [Fact]
    public void Plain_tables_have_aligned_columns() =>
        Assert.Equal(
            string.Join(Environment.NewLine, "a      b", "12345  x", "1      yy", ""),
            Tables.Plain(["a", "b"], [["12345", "x"], ["1", "yy"]]));

    private static void Put(TuneFolder folder, TrialRun run, string name, string text)
    {
        Directory.CreateDirectory(folder.In(run.Folder));
        File.WriteAllText(folder.In(Path.Combine(run.Folder, name)), text);
    }

    private static string Result(double loss) => FormattableString.Invariant($$$"""{"steps":30,"parametersSha256":"abc","metrics":{"validationLoss":{{{loss}}}}}""");

    private static TrialList List(string yaml, string directory = ".")
    {
        var problems = new List<string>();
        var list = TrialList.Create(new ExperimentText(yaml, "e.yaml", directory), [], problems);
        Assert.Empty(problems);
        return list!;
    }

    private static Trial Trial(int number) => new(number, [], ExperimentReader.Read("data: { source: iris }\nmodel: { layers: [ linear: 3 ] }\n", "e.yaml", []).Experiment!);

    private static TrialResult Result(int number, params double[] losses) =>
        new(Trial(number), [.. losses.Select((loss, fold) => new RunResult(losses.Length > 1 ? fold + 1 : null) { ValidationLoss = loss })]);
}
