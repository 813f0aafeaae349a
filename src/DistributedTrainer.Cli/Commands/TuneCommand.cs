using System.CommandLine;
using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cli.Launching;
using DistributedTrainer.Cli.Tuning;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain tune</c>: cross-validation, a search over ranges, and the learning-rate range test.</summary>
internal static class TuneCommand
{
    public static Command Create()
    {
        var experiment = new Argument<string>("EXPERIMENT") { Description = "The experiment file, with data.folds, a section tune, or both." };
        var set = new ExperimentArguments().Set;
        var directory = new Option<string?>("--run-dir") { Description = "The folder of the search. Where it holds runs that have ended, the search goes on behind them. Default: runs/NAME-tune-TIMESTAMP.", HelpName = "DIR" };
        var json = new Option<bool>("--json") { Description = "Prints the results as JSON, and nothing else, on standard output." };
        var processes = new Option<bool>("--processes") { Description = "Workers and servers as processes of their own instead of threads of this one." };
        var rangeTest = new Option<bool>("--range-test") { Description = "The learning-rate range test instead of a search: one run whose rate grows from step to step." };
        var from = new Option<double>("--from") { Description = "The first rate of the range test.", DefaultValueFactory = static _ => 1e-6 };
        var to = new Option<double>("--to") { Description = "The last rate of the range test.", DefaultValueFactory = static _ => 1 };
        var steps = new Option<int>("--steps") { Description = "Steps of the range test.", DefaultValueFactory = static _ => 100 };
        var tls = new TlsOption();
        var command = new Command(
            "tune",
            "Cross-validates (data.folds) and searches the ranges of the section tune; every trial is an ordinary run. Example: dtrain tune digits.yaml --run-dir search. Learning rate: dtrain tune digits.yaml --range-test")
        {
            experiment, set, directory, json, processes, rangeTest, from, to, steps,
        };
        tls.AddTo(command);
        command.SetAction(async (parsed, _) =>
        {
            if (!tls.ReadLocal(parsed, out var certificates))
            {
                return ExitCodes.UsageWrong;
            }

            if (ExperimentText.Read(parsed.GetValue(experiment)) is not { } text)
            {
                return ExitCodes.UsageWrong;
            }

            using var stop = new CancellationTokenSource();
            void Interrupt(PosixSignalContext signal)
            {
                signal.Cancel = !stop.IsCancellationRequested;
                stop.Cancel();
            }

            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
            using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
            var setting = new Invocation(text, parsed.GetValue(set)!, parsed.GetValue(directory), parsed.GetValue(json), parsed.GetValue(processes), certificates, stop.Token);
            try
            {
                return parsed.GetValue(rangeTest)
                    ? await RangeTestVerb.Run(setting, parsed.GetValue(from), parsed.GetValue(to), parsed.GetValue(steps))
                    : await Search(setting);
            }
            catch (OperationCanceledException)
            {
                Console.Error.WriteLine("Ended by you. The same command with the same --run-dir goes on where it stopped.");
                return ExitCodes.TrainingFailed;
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
            {
                Console.Error.WriteLine($"The results cannot be written: {problem.Message}");
                return ExitCodes.TrainingFailed;
            }
        });
        return command;
    }

    private static async Task<int> Search(Invocation given)
    {
        var problems = new List<string>();
        var list = TrialList.Create(given.Text, given.Overrides, problems);
        if (list is null)
        {
            Problems.Print(problems);
            return ExitCodes.UsageWrong;
        }

        var folder = TuneFolder.Of(given.Directory, list.Experiment.Name + "-tune", TimeProvider.System);
        var ended = list.Runs.ToDictionary(static run => run.Folder, run => folder.Find(run, problems));
        if (Problems.Print(problems))
        {
            return ExitCodes.UsageWrong;
        }

        Directory.CreateDirectory(folder.FullPath);
        given.Say($"{list.Trials.Count} trials, {list.Runs.Count()} runs, {ended.Values.Count(static result => result is not null)} of them ended before. Folder: {folder.FullPath}");
        if (ended.Values.Any(static result => result is null))
        {
            using var cluster = await LocalCluster.Start(list.Trials[0].Experiment.Cluster, !given.Processes, given.Say, given.Certificates);
            await Run(list, folder, ended, new TrialRunner(cluster.Host, given.Text.BaseDirectory, given.Say), given);
        }

        var sorted = Sorted(list, ended);
        var results = folder.Save(list, sorted);
        Plots.Save(list, sorted, folder.In("results.png"));
        var (headers, rows) = TuneTable.Of(list.Tune, sorted);
        if (given.Json)
        {
            Console.Out.WriteLine(results);
        }
        else
        {
            Tables.Print(headers, rows);
            Console.WriteLine($"Results: {folder.In("results.json")}, {folder.In("results.png")}");
        }

        if (sorted is not [var best, ..] || !best.IsFinite(list.Tune.Metric))
        {
            Console.Error.WriteLine($"No trial has a {ExperimentNames.Of(list.Tune.Metric)}: all of them failed. Try lower learning rates.");
            return ExitCodes.TrainingFailed;
        }

        given.Say($"Best: trial {best.Trial.Number}. Train it with: dtrain train {folder.In("best.yaml")}");
        return ExitCodes.Done;
    }

    private static async Task Run(TrialList list, TuneFolder folder, Dictionary<string, RunResult?> ended, TrialRunner runner, Invocation given)
    {
        foreach (var run in list.Runs.Where(run => ended[run.Folder] is null).ToArray())
        {
            var outcome = await runner.Run(run.Experiment, folder.In(run.Folder), given.Cancel);
            var result = outcome is { Failure: null, ResultJson: { } text } ? RunResult.Of(run.Fold, text) : new RunResult(run.Fold) { Failure = outcome.Failure };
            ended[run.Folder] = result;
            var named = run.Fold is { } fold ? $"trial {run.Trial.Number}/{list.Trials.Count} fold {fold}" : $"trial {run.Trial.Number}/{list.Trials.Count}";
            given.Say(string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{string.Join("  ", run.Trial.Settings.Select(static setting => setting.ToString()).Prepend(named))}  {(result.Failure is { } failure ? $"failed: {failure}" : $"{ExperimentNames.Of(list.Tune.Metric)} {result.Of(list.Tune.Metric):0.####}")}"));

            // After each run, so that whoever stops a long search has what there is.
            folder.Save(list, Sorted(list, ended));
        }
    }

    /// <summary>The trials that have ended.</summary>
    private static IReadOnlyList<TrialResult> Sorted(TrialList list, Dictionary<string, RunResult?> ended) =>
        TrialResult.Sorted(
            from trial in list.Trials
            let runs = trial.Runs(list.Experiment.Data.Fold).Select(run => ended[run.Folder]).OfType<RunResult>().ToArray()
            where runs.Length == trial.Runs(list.Experiment.Data.Fold).Count
            select new TrialResult(trial, runs),
            list.Tune.Metric);

    /// <summary>What the user asked for.</summary>
    internal sealed record Invocation(ExperimentText Text, string[] Overrides, string? Directory, bool Json, bool Processes, NodeCertificates? Certificates, CancellationToken Cancel)
    {
        /// <summary>Tells of progress: on standard error where standard output is for JSON alone.</summary>
        public void Say(string text) => (Json ? Console.Error : Console.Out).WriteLine(text);
    }
}
