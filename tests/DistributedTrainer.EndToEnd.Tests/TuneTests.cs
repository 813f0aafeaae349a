using System.Text.Json;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Cross-validation, searches and the range test, from the command to the files.</summary>
public sealed class TuneTests
{
    private const string Search = """
        name: iris
        data: { source: rows.csv, preprocess: [ standardize ], split: { validation: 0.2, test: 0.2 } }
        model: { layers: [ linear: 8, tanh, linear: 3 ] }
        optimizer: { kind: adam, learning-rate: 0.001 }
        training: { epochs: 3, batch-size: 16, shards: 2 }
        tune:
          trials: 4
          ranges:
            optimizer.learning-rate: { from: 0.0001, to: 0.1, scale: log }
            training.batch-size: [16, 32]
            model.layers.0.linear: [4, 8]
        """;

    private const string Halved = """
        name: halved
        data: { source: rows.csv, preprocess: [ standardize ], split: { validation: 0.2, test: 0.2 } }
        model: { layers: [ linear: 8, tanh, linear: 3 ] }
        optimizer: { kind: adam, learning-rate: 0.001, schedule: cosine }
        training: { epochs: 9, batch-size: 16, shards: 2 }
        tune:
          trials: 9
          halving: { factor: 3, first-epochs: 1 }
          ranges:
            optimizer.learning-rate: { from: 0.0001, to: 0.1, scale: log }
            model.layers.0.linear: [4, 8]
        """;

    [Fact]
    public async Task A_search_ends_with_the_same_bytes_each_time_and_its_best_experiment_trains()
    {
        using var directory = new RunDirectory();
        var first = await Tune(directory, Search, "a");
        Assert.Equal(await File.ReadAllBytesAsync(directory.In("a/results.json")), System.Text.Encoding.UTF8.GetBytes(first.TrimEnd('\n')));
        await Tune(directory, Search, "b", "--set", "cluster.workers=1", "--processes");
        Assert.Equal(await File.ReadAllTextAsync(directory.In("a/results.json")), await File.ReadAllTextAsync(directory.In("b/results.json")));

        var results = JsonDocument.Parse(first).RootElement;
        var losses = results.GetProperty("trials").EnumerateArray().Select(static trial => trial.GetProperty("validationLoss").GetDouble()).ToArray();
        Assert.Equal(4, losses.Length);
        Assert.Equal(losses.Order(), losses);
        Assert.Equal(results.GetProperty("best").GetInt32(), results.GetProperty("trials")[0].GetProperty("trial").GetInt32());

        var (code, output, errors) = await Dtrain.Run(["train", directory.In("a/best.yaml"), "--in-process", "--run-dir", directory.Run]);
        Assert.True(code == 0, output + errors);
        Assert.Equal(results.GetProperty("trials")[0].GetProperty("runs")[0].GetProperty("parametersSha256").GetString(), directory.Hash);
        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], (await File.ReadAllBytesAsync(directory.In("a/results.png")))[..4]);
    }

    [Theory]
    [InlineData("learning-curve", "data.training-share", true)]
    [InlineData("model-size", "model.layers.0.linear", false)]
    public async Task Curves_of_rows_and_of_size_show_the_gap_between_training_and_validation(string example, string key, bool gapCloses)
    {
        using var directory = new RunDirectory();
        var (code, output, errors) = await Dtrain.Run(
            ["tune", Path.Combine(RepositoryRoot.Path, "examples", "tune", example + ".yaml"), "--json", "--run-dir", directory.In("t"), "--set", "training.steps=250"]);
        Assert.True(code == 0, errors);
        var trials = JsonDocument.Parse(output).RootElement.GetProperty("trials").EnumerateArray()
            .Select(trial => (
                X: double.Parse(trial.GetProperty("settings").GetProperty(key).ToString(), System.Globalization.CultureInfo.InvariantCulture),
                Training: trial.GetProperty("runs")[0].GetProperty("trainLoss").GetDouble(),
                Validation: trial.GetProperty("validationLoss").GetDouble()))
            .OrderBy(static trial => trial.X)
            .ToArray();
        var (first, last) = (trials[0], trials[^1]);
        Assert.True(last.Validation < 0.7 * first.Validation, output);
        if (gapCloses)
        {
            // More rows: a fit by heart becomes impossible, and what is learned holds for other rows.
            Assert.True(last.Training > first.Training && last.Validation - last.Training < 0.5 * (first.Validation - first.Training), output);
        }
        else
        {
            // More units: the training loss goes to 0, and the gap stays.
            Assert.True(last.Training < 0.02 && last.Validation > 3 * last.Training, output);
        }

        Assert.True(File.Exists(directory.In("t/results.png")));
    }

    [Fact]
    public async Task A_search_goes_on_behind_the_runs_that_have_ended()
    {
        using var directory = new RunDirectory();
        var whole = await Tune(directory, Search, "a");
        var kept = directory.In("a/trial-0001/log.txt");
        var before = await File.ReadAllTextAsync(kept);
        File.Delete(directory.In("a/trial-0003/result.json"));
        var (code, output, errors) = await Dtrain.Run(["tune", "search.yaml", "--run-dir", "a"], directory.In("."));
        Assert.True(code == 0, output + errors);
        Assert.Contains("4 trials, 4 runs, 3 of them ended before", output, StringComparison.Ordinal);
        Assert.Single(output.Split('\n'), static line => line.StartsWith("trial 3/4 ", StringComparison.Ordinal));
        Assert.DoesNotContain("trial 1/4 ", output, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllTextAsync(kept));
        Assert.Equal(whole.TrimEnd('\n'), await File.ReadAllTextAsync(directory.In("a/results.json")));

        var (other, _, problem) = await Dtrain.Run(["tune", "search.yaml", "--run-dir", "a", "--set", "seed=5"], directory.In("."));
        Assert.Equal(2, other);
        Assert.Contains("holds the result of another experiment", problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Halving_trains_the_best_to_the_end_with_the_bits_of_an_ordinary_run_however_often_it_is_killed()
    {
        using var directory = new RunDirectory();
        var first = await Tune(directory, Halved, "a");
        var results = JsonDocument.Parse(first).RootElement;
        Assert.Equal([1, 3, 9], results.GetProperty("halving").GetProperty("rungs").EnumerateArray().Select(static rung => rung.GetInt32()));
        var trials = results.GetProperty("trials").EnumerateArray().ToArray();
        Assert.Equal([3, 2, 2, 1, 1, 1, 1, 1, 1], trials.Select(static trial => trial.GetProperty("rung").GetInt32()));
        Assert.Equal([9, 3, 3, 1, 1, 1, 1, 1, 1], trials.Select(static trial => trial.GetProperty("runs")[0].GetProperty("epochs").GetInt32()));
        Assert.Equal([false, .. Enumerable.Repeat(true, 8)], trials.Select(static trial => trial.TryGetProperty("stopped", out var stopped) && stopped.GetBoolean()));
        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], (await File.ReadAllBytesAsync(directory.In("a/parallel.png")))[..4]);

        // Its schedule has known the whole length all along, and no epoch was computed twice.
        var (code, output, errors) = await Dtrain.Run(["train", directory.In("a/best.yaml"), "--in-process", "--run-dir", directory.Run]);
        Assert.True(code == 0, output + errors);
        Assert.Equal(directory.Hash, trials[0].GetProperty("runs")[0].GetProperty("parametersSha256").GetString());
        Assert.DoesNotContain("going back", await File.ReadAllTextAsync(directory.In($"a/trial-{trials[0].GetProperty("trial").GetInt32():0000}/log.txt")), StringComparison.Ordinal);

        // Killed on each rung: within an epoch, while the checkpoint is written that a trial pauses with, and before its result. An
        // epoch has six steps.
        var plan = new CrashPlan(
            directory.In("crash"),
            ("worker.compute", 3), ("server.snapshot", 6), ("coordinator.result", 6), ("coordinator.before-manifest", 18), ("coordinator.manifest", 18), ("worker.pushed", 30), ("coordinator.fetching", 54));
        for (var deaths = 0; deaths < 7; deaths++)
        {
            var (died, said, why) = await Dtrain.Run(["tune", "search.yaml", "--run-dir", "b"], directory.In("."), plan.Environment);
            Assert.True(died == 137, said + why);
        }

        Assert.Empty(plan.Missing);
        Assert.Equal(first, await Tune(directory, Halved, "b"));
        Assert.Equal(await File.ReadAllTextAsync(directory.In("a/results.json")), await File.ReadAllTextAsync(directory.In("b/results.json")));
        Assert.Equal(await File.ReadAllTextAsync(directory.In("a/best.yaml")), await File.ReadAllTextAsync(directory.In("b/best.yaml")));
        Assert.Equal(await File.ReadAllBytesAsync(directory.In("a/parallel.png")), await File.ReadAllBytesAsync(directory.In("b/parallel.png")));

        var (other, _, problem) = await Dtrain.Run(["tune", "search.yaml", "--run-dir", "b", "--set", "tune.halving.factor=2"], directory.In("."));
        Assert.Equal(2, other);
        Assert.Contains("of a search with other rungs", problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_example_of_halving_finds_the_best_of_all_whole_trials_in_a_ninth_of_their_epochs()
    {
        using var directory = new RunDirectory();
        var results = new List<JsonElement>();
        foreach (var (name, more) in ((string, string[])[])[("whole", ["--set", "tune.halving=null"]), ("halved", [])])
        {
            var (code, output, errors) = await Dtrain.Run(["tune", Path.Combine(RepositoryRoot.Path, "examples", "tune", "halving.yaml"), "--json", "--run-dir", directory.In(name), "--parallel", "2", .. more]);
            Assert.True(code == 0, errors);
            results.Add(JsonDocument.Parse(output).RootElement);
        }

        Assert.Equal([729, 81], results.Select(static search => search.GetProperty("trials").EnumerateArray().Sum(static trial => trial.GetProperty("runs")[0].GetProperty("epochs").GetInt32())));
        Assert.Equal(13, results[1].GetProperty("best").GetInt32());
        Assert.Equal(results[0].GetProperty("trials")[0].GetProperty("runs").ToString(), results[1].GetProperty("trials")[0].GetProperty("runs").ToString());
    }

    [Fact]
    public async Task Trials_that_run_at_the_same_time_come_to_the_same_bytes_also_where_a_worker_of_one_dies()
    {
        using var directory = new RunDirectory();
        var plan = new CrashPlan(directory.In("crash"), ("worker.pushed", 4), ("server.before-publish", 9));
        foreach (var (yaml, name) in ((string, string)[])[(Search, "plain"), (Halved, "halved")])
        {
            var one = await Tune(directory, yaml, name);
            Assert.Equal(one, await Tune(directory, yaml, name + "-3", "--parallel", "3"));
            foreach (var file in (string[])["results.json", "results.png", "parallel.png", "best.yaml"])
            {
                Assert.Equal(await File.ReadAllBytesAsync(directory.In($"{name}/{file}")), await File.ReadAllBytesAsync(directory.In($"{name}-3/{file}")));
            }
        }

        var (code, output, errors) = await Dtrain.Run(["tune", "search.yaml", "--run-dir", "processes", "--parallel", "3", "--processes", "--json", "--set", "cluster.workers=1"], directory.In("."), plan.Environment);
        Assert.True(code == 0, output + errors);
        Assert.Empty(plan.Missing);
        Assert.Equal(await File.ReadAllTextAsync(directory.In("halved/results.json")), output.TrimEnd('\n'));
    }

    [Theory]
    [InlineData("1")]
    [InlineData("2")]
    public async Task A_trial_whose_processes_die_for_good_does_not_take_others_along_and_is_made_up_for_later(string parallel)
    {
        using var directory = new RunDirectory();
        var whole = await Tune(directory, Search, "a");
        var plan = new CrashPlan(directory.In("crash"), ("worker.pushed", 4));
        string[] arguments = ["tune", "search.yaml", "--run-dir", "b", "--parallel", parallel, "--processes", "--json", "--set", "cluster.workers=1", "--set", "cluster.max-restarts=0"];
        var (code, output, errors) = await Dtrain.Run(arguments, directory.In("."), plan.Environment);
        Assert.True(code == 0, output + errors);
        var trials = JsonDocument.Parse(output).RootElement.GetProperty("trials").EnumerateArray().ToArray();
        Assert.Equal([false, false, false, true], trials.Select(static trial => trial.TryGetProperty("failure", out _)));
        Assert.Contains("cluster.max-restarts is 0", trials[3].GetProperty("failure").GetString(), StringComparison.Ordinal);

        (code, output, errors) = await Dtrain.Run(arguments, directory.In("."));
        Assert.True(code == 0, output + errors);
        Assert.Contains("3 of them ended before", errors, StringComparison.Ordinal);
        Assert.Equal(whole, output);
    }

    [Fact]
    public async Task An_interrupt_ends_all_trials_that_are_running_and_the_search_goes_on_later()
    {
        using var directory = new RunDirectory();
        var yaml = Search.Replace("epochs: 3", "epochs: 300", StringComparison.Ordinal);
        var whole = await Tune(directory, yaml, "a");
        await using (var tune = Dtrain.Start(["tune", "search.yaml", "--run-dir", "b", "--parallel", "3"], directory.In(".")))
        {
            await tune.Line(static line => line.StartsWith("trial ", StringComparison.Ordinal) && line.Contains("validation-loss", StringComparison.Ordinal));
            tune.Signal("INT");
            var (code, output, errors) = await tune.End();
            Assert.True(code == 1, output + errors);
            Assert.Contains("The same command with the same --run-dir goes on where it stopped.", errors, StringComparison.Ordinal);
        }

        Assert.Equal(whole, await Tune(directory, yaml, "b", "--parallel", "2"));
    }

    [Fact]
    public async Task A_running_cluster_comes_to_the_same_results_as_this_machine()
    {
        using var directory = new RunDirectory();
        await using var cluster = await RunningCluster.Start(directory);
        foreach (var (yaml, name, runs) in ((string, string, int)[])[(Search, "plain", 4), (Halved, "halved", 9)])
        {
            var here = await Tune(directory, yaml, name);
            var there = await Tune(directory, yaml, name + "-there", "--join", cluster.Address);
            Assert.Equal(here, there);
            foreach (var file in (string[])["results.json", "results.png", "parallel.png", "best.yaml"])
            {
                Assert.Equal(await File.ReadAllBytesAsync(directory.In($"{name}/{file}")), await File.ReadAllBytesAsync(directory.In($"{name}-there/{file}")));
            }

            // One folder a trial where the coordinator is, however many rungs it went up.
            Assert.Equal(runs, cluster.TakeRuns().Count);
        }

        var (again, output, _) = await Dtrain.Run(["tune", "search.yaml", "--run-dir", "halved-there", "--join", cluster.Address], directory.In("."));
        Assert.Equal(0, again);
        Assert.Contains("13 of them ended before", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_search_on_a_cluster_goes_on_after_whoever_asked_for_it_was_killed_or_interrupted()
    {
        using var directory = new RunDirectory();
        await using var cluster = await RunningCluster.Start(directory);
        var yaml = Search.Replace("epochs: 3", "epochs: 600", StringComparison.Ordinal).Replace("trials: 4", "trials: 2", StringComparison.Ordinal);
        var here = await Tune(directory, yaml, "here");
        foreach (var (trial, signal, expected) in ((int, string, int)[])[(1, "KILL", 137), (2, "INT", 1)])
        {
            await using var tune = Dtrain.Start(["tune", "search.yaml", "--run-dir", "there", "--join", cluster.Address], directory.In("."));
            await tune.Line(line => line.StartsWith($"trial {trial}: its run folder is ", StringComparison.Ordinal));
            tune.Signal(signal);
            var (code, _, errors) = await tune.End();
            Assert.Equal(expected, code);
            Assert.Contains(signal == "INT" ? "The same command with the same --run-dir goes on where it stopped." : "", errors, StringComparison.Ordinal);
        }

        Assert.Equal(here, await Tune(directory, yaml, "there", "--join", cluster.Address));
        Assert.Equal(2, cluster.TakeRuns().Count);
    }

    [Fact]
    public async Task A_cluster_that_is_busy_stops_the_search_and_no_trial_counts_as_failed()
    {
        using var directory = new RunDirectory();
        await using var cluster = await RunningCluster.Start(directory);
        var here = await Tune(directory, Search, "here");
        await using var other = Dtrain.Start(["submit", "search.yaml", "--to", cluster.Address, "--set", "training.epochs=1000000", "--run-dir", directory.In("other")], directory.In("."));
        await other.Line(static line => line.StartsWith("training  step", StringComparison.Ordinal));
        var (busy, _, why) = await Dtrain.Run(["tune", "search.yaml", "--run-dir", "there", "--join", cluster.Address], directory.In("."));
        Assert.Equal(1, busy);
        Assert.Matches("^The cluster is training [0-9a-f]{8}; one run at a time. Wait for its end. The same command with the same --run-dir goes on where it stopped.", why);
        other.Signal("INT");
        await other.End();
        Assert.Equal(here, await Tune(directory, Search, "there", "--join", cluster.Address));
    }

    [Fact]
    public async Task With_folds_halving_goes_by_their_mean()
    {
        using var directory = new RunDirectory();
        var yaml = Halved.Replace("split: { validation: 0.2, test: 0.2 }", "folds: 2, split: none", StringComparison.Ordinal);
        var trials = JsonDocument.Parse(await Tune(directory, yaml, "a")).RootElement.GetProperty("trials").EnumerateArray().ToArray();
        Assert.Equal([3, 2, 2, 1, 1, 1, 1, 1, 1], trials.Select(static trial => trial.GetProperty("rung").GetInt32()));
        Assert.All(trials, static trial => Assert.Equal(2, trial.GetProperty("runs").GetArrayLength()));
        var firstRung = Enumerable.Range(1, 9).Select(number => (Number: number, Loss: Enumerable.Range(1, 2).Average(fold =>
            JsonDocument.Parse(File.ReadAllText(directory.In($"a/trial-{number:0000}/fold-{fold}/rung-1.json"))).RootElement.GetProperty("metrics").GetProperty("validationLoss").GetDouble())));
        Assert.Equal(firstRung.OrderBy(static trial => trial.Loss).Take(3).Select(static trial => trial.Number).Order(), trials.Take(3).Select(static trial => trial.GetProperty("trial").GetInt32()).Order());
    }

    [Fact]
    public async Task Cross_validation_holds_out_each_fold_once()
    {
        using var directory = new RunDirectory();
        var yaml = Search[..Search.IndexOf("tune:", StringComparison.Ordinal)].Replace("split: { validation: 0.2, test: 0.2 }", "folds: 3, split: { test: 0.2 }", StringComparison.Ordinal);
        var results = JsonDocument.Parse(await Tune(directory, yaml, "a")).RootElement;
        var trial = Assert.Single(results.GetProperty("trials").EnumerateArray());
        var runs = trial.GetProperty("runs").EnumerateArray().ToArray();
        Assert.Equal([1, 2, 3], runs.Select(static run => run.GetProperty("fold").GetInt32()));
        Assert.Equal(3, runs.Select(static run => run.GetProperty("parametersSha256").GetString()).Distinct().Count());
        Assert.Equal(runs.Average(static run => run.GetProperty("validationLoss").GetDouble()), trial.GetProperty("validationLoss").GetDouble(), 12);
        Assert.True(trial.GetProperty("validationLossDeviation").GetDouble() > 0);

        var (code, _, errors) = await Dtrain.Run(["train", "search.yaml"], directory.In("."));
        Assert.Equal(2, code);
        Assert.Contains("dtrain tune", errors, StringComparison.Ordinal);

        // A fold by itself is an ordinary run with the same bits.
        var (one, output, problem) = await Dtrain.Run(["train", "search.yaml", "--in-process", "--set", "data.fold=2", "--run-dir", directory.Run], directory.In("."));
        Assert.True(one == 0, output + problem);
        Assert.Equal(runs[1].GetProperty("parametersSha256").GetString(), directory.Hash);
    }

    [Fact]
    public async Task A_trial_that_diverges_is_last_and_does_not_end_the_search()
    {
        using var directory = new RunDirectory();
        var yaml = Search[..Search.IndexOf("tune:", StringComparison.Ordinal)].Replace("kind: adam", "kind: sgd", StringComparison.Ordinal).Replace("tanh", "relu", StringComparison.Ordinal)
            + "tune: { search: grid, ranges: { optimizer.learning-rate: [1.0e+30, 0.1] } }\n";
        var trials = JsonDocument.Parse(await Tune(directory, yaml, "a")).RootElement.GetProperty("trials");
        Assert.Equal([2, 1], trials.EnumerateArray().Select(static trial => trial.GetProperty("trial").GetInt32()));
        Assert.Contains("not finite", trials[1].GetProperty("failure").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_range_test_suggests_a_rate_between_its_ends()
    {
        using var directory = new RunDirectory();
        await Files(directory, Search);
        var (code, output, errors) = await Dtrain.Run(["tune", "search.yaml", "--range-test", "--from", "1e-5", "--to", "3", "--steps", "60", "--run-dir", "r", "--json"], directory.In("."));
        Assert.True(code == 0, output + errors);
        var result = JsonDocument.Parse(output).RootElement;
        var points = result.GetProperty("points").EnumerateArray().ToArray();
        Assert.Equal(60, points.Length);
        Assert.Equal(1e-5, points[0].GetProperty("learningRate").GetDouble(), 1e-10);
        Assert.Equal(3, points[^1].GetProperty("learningRate").GetDouble(), 1e-6);
        Assert.InRange(result.GetProperty("suggestion").GetDouble(), 1e-3, 1);
        Assert.True(new FileInfo(directory.In("r/range-test.png")).Length > 1000);
    }

    [Fact]
    public async Task The_example_of_a_range_test_falls_and_explodes()
    {
        using var directory = new RunDirectory();
        var (code, output, errors) = await Dtrain.Run(
            ["tune", Path.Combine(RepositoryRoot.Path, "examples", "tune", "range-test.yaml"), "--range-test", "--from", "0.00001", "--to", "10", "--steps", "150", "--run-dir", directory.In("r"), "--json"]);
        Assert.True(code == 0, output + errors);
        var result = JsonDocument.Parse(output).RootElement;
        var losses = result.GetProperty("points").EnumerateArray().Select(static point => point.GetProperty("loss").GetDouble()).ToArray();
        Assert.InRange(result.GetProperty("suggestion").GetDouble(), 0.01, 0.5);
        Assert.True(losses.Min() < 0.5 * losses[0] && losses[^10..].Average() > 3 * losses.Min(), output);
    }

    [Fact]
    public async Task A_range_test_that_diverges_shows_what_came_before()
    {
        using var directory = new RunDirectory();
        await Files(directory, Search.Replace("kind: adam", "kind: sgd", StringComparison.Ordinal).Replace("tanh, ", "", StringComparison.Ordinal));
        var (code, output, errors) = await Dtrain.Run(["tune", "search.yaml", "--range-test", "--from", "1e-3", "--to", "1e30", "--run-dir", "r"], directory.In("."));
        Assert.True(code == 0, output + errors);
        Assert.Matches(@"It ended there: step \d+ is not finite: in shard \d, .*\.\n", output);
        Assert.Contains("Suggestion: optimizer.learning-rate:", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tune search.yaml --set tune.metric=accuracy", "tune.metric: 'accuracy' is unknown. Possible are validation-loss, validation-accuracy.")]
    [InlineData("tune search.yaml --set tune=null", "there is nothing to tune")]
    [InlineData("tune search.yaml --range-test --from 2 --to 1 --steps 3", "--from is 2 and --to 1")]
    [InlineData("tune search.yaml --range-test --from 2 --to 1 --steps 3", "--steps is 3")]
    [InlineData("tune search.yaml --join 127.0.0.1:1 --processes", "--processes is for a cluster of this machine, and --join names another one. Remove one of them.")]
    [InlineData("tune search.yaml --join 127.0.0.1:1 --range-test", "--range-test is one short run, and is made here")]
    [InlineData("tune search.yaml --join 127.0.0.1:1 --parallel 2", "--parallel is for this machine, and --join names a cluster")]
    [InlineData("tune search.yaml --parallel 0", "--parallel is 0, it must be at least 1.")]
    [InlineData("tune search.yaml --parallel 2 --range-test", "--range-test is one run. Remove --parallel.")]
    [InlineData("tune search.yaml --set tune.halving.factor=1", "tune.halving.factor: '1' is not possible.")]
    [InlineData("tune search.yaml --set tune.halving.first-epochs=3", "tune.halving: first-epochs, 3, times factor, 3, is more than training.epochs, 3")]
    [InlineData("tune nothing.yaml", "nothing.yaml")]
    [InlineData("tune", "EXPERIMENT")]
    public async Task A_search_that_cannot_be_says_so_before_anything_runs(string arguments, string expected)
    {
        using var directory = new RunDirectory();
        await Files(directory, Search);
        var (code, output, errors) = await Dtrain.Run(arguments.Split(' '), directory.In("."));
        Assert.Equal(2, code);
        Assert.Contains(expected, output + errors, StringComparison.Ordinal);
        Assert.False(Directory.Exists(directory.In("runs")));
    }

    private static async Task Files(RunDirectory directory, string yaml)
    {
        await File.WriteAllTextAsync(directory.In("search.yaml"), yaml);
        var rows = Enumerable.Range(0, 150).Select(static i => FormattableString.Invariant($"{(i % 3) + (i * 7 % 10 / 10.0):0.00},{5 - (i % 3) + (i * 3 % 10 / 10.0):0.00},{(i % 3 == 0 ? "rose" : i % 3 == 1 ? "tulip" : "lily")}"));
        await File.WriteAllLinesAsync(directory.In("rows.csv"), rows.Prepend("length,width,kind"));
    }

    /// <summary>Runs a search and returns what it printed as JSON.</summary>
    private static async Task<string> Tune(RunDirectory directory, string yaml, string folder, params string[] more)
    {
        await Files(directory, yaml);
        var (code, output, errors) = await Dtrain.Run(["tune", "search.yaml", "--run-dir", folder, "--json", .. more], directory.In("."));
        Assert.True(code == 0, output + errors);
        return output;
    }
}
