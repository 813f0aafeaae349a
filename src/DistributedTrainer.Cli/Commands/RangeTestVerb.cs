using DistributedTrainer.Cli.Launching;
using DistributedTrainer.Cli.Tuning;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain tune --range-test</c>: one run whose learning rate grows from step to step.</summary>
internal static class RangeTestVerb
{
    public static async Task<int> Run(TuneCommand.Invocation given, double from, double to, int steps)
    {
        var problems = new List<string>();
        if (!(from > 0 && to > from && float.IsFinite((float)to) && (float)from > 0))
        {
            problems.Add(FormattableString.Invariant($"--from is {from} and --to {to}: both must be above 0, and --to above --from."));
        }

        if (steps < RangeTest.FewestPoints)
        {
            problems.Add($"--steps is {steps}, it must be at least {RangeTest.FewestPoints}.");
        }

        var text = given.Text;
        string[] fold = ExperimentReader.Read(text.Yaml, text.FileName, given.Overrides).Experiment?.Data is { Folds: not null, Fold: null } ? ["data.fold=1"] : [];
        problems.AddRange(ExperimentCheck.Check(text.Yaml, text.FileName, text.BaseDirectory, [.. given.Overrides, .. fold], out var experiment));
        var folder = TuneFolder.Of(given.Directory, (experiment?.Name ?? "") + "-range-test", TimeProvider.System);
        if (problems.Count == 0 && File.Exists(folder.In("range-test.json")))
        {
            problems.Add($"{folder.FullPath} holds the result of another range test. Choose another --run-dir.");
        }

        if (Problems.Print(problems))
        {
            return ExitCodes.UsageWrong;
        }

        var tested = RangeTest.Of(experiment!, from, to, steps);
        using var cluster = await LocalCluster.Start(tested.Cluster, !given.Processes, given.Say, given.Certificates);
        var outcome = await new TrialRunner(cluster.Host, text.BaseDirectory, given.Say).Run(RungRun.Alone(tested), folder.In("run"), given.Cancel);
        var metrics = folder.In(Path.Combine("run", "metrics.jsonl"));
        var points = File.Exists(metrics) ? RangeTest.Read(File.ReadLines(metrics)) : [];
        if (points.Count < RangeTest.FewestPoints)
        {
            Console.Error.WriteLine($"The test has {points.Count} steps, too few to judge by{(outcome.Failure is { } failure ? $": {failure}" : ".")}");
            return ExitCodes.TrainingFailed;
        }

        Report(RangeTest.Judge(points), outcome, folder, given);
        return ExitCodes.Done;
    }

    private static void Report(RangeTest test, RunOutcome outcome, TuneFolder folder, TuneCommand.Invocation given)
    {
        var result = JsonText.Of(new
        {
            test.Suggestion,
            Ended = outcome.Failure,
            Points = test.Points.Select((point, index) => new { point.Step, point.LearningRate, point.Loss, Smoothed = test.Smoothed[index] }),
        });
        JsonText.Save(folder.In("range-test.json"), result);
        Plots.Save(test, folder.In("range-test.png"));
        if (given.Json)
        {
            Console.Out.WriteLine(result);
            return;
        }

        Tables.Print(["step", "learning rate", "loss", "smoothed"], test.Rows());
        if (outcome.Failure is { } failure)
        {
            // That is what the test is for: it shows where the rate is too large.
            Console.WriteLine($"It ended there: {failure}");
        }

        Console.WriteLine(test.Suggestion is { } rate
            ? FormattableString.Invariant($"Suggestion: optimizer.learning-rate: {rate:G2}, where the loss falls most steeply. Lower it where training is restless.")
            : "The loss never falls. Try other --from and --to, or look at the model and the data.");
        Console.WriteLine($"Results: {folder.In("range-test.json")}, {folder.In("range-test.png")}");
    }
}
