using System.CommandLine;
using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cli.Launching;
using DistributedTrainer.Cli.Tuning;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Hosting;
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
        var parallel = new Option<int>("--parallel") { Description = "Trials at a time, each in a cluster of its own on this machine. The results are the same, whatever the number; with cluster.workers=1 each is a thread.", DefaultValueFactory = static _ => 1, HelpName = "N" };
        var join = new Option<string?>("--join") { Description = "A node of a running cluster, which trains the trials instead of this machine: one after the other, each on all of its workers. Results come here; run folders are where its coordinator is.", HelpName = "HOST:PORT" };
        var visit = new ClusterVisit("--join");
        var command = new Command(
            "tune",
            "Cross-validates (data.folds) and searches the ranges of the section tune; every trial is an ordinary run. Example: dtrain tune digits.yaml --run-dir search. On a cluster: dtrain tune digits.yaml --join 10.0.0.1:4053. Learning rate: dtrain tune digits.yaml --range-test")
        {
            experiment, set, directory, json, processes, parallel, join, rangeTest, from, to, steps,
        };
        visit.AddTo(command);
        command.SetAction(async (parsed, _) =>
        {
            if (Problems.Print(Contradictions(parsed.GetValue(join), parsed.GetValue(processes), parsed.GetValue(parallel), parsed.GetValue(rangeTest))))
            {
                return ExitCodes.UsageWrong;
            }

            if (!(parsed.GetValue(join) is null ? visit.ReadLocal(parsed, out var certificates) : visit.Read(parsed, out certificates)))
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
            var setting = new Invocation(text, parsed.GetValue(set)!, parsed.GetValue(directory), parsed.GetValue(json), parsed.GetValue(processes), certificates, stop.Token)
            {
                Parallel = parsed.GetValue(parallel),
                Join = parsed.GetValue(join) is { } node ? () => visit.Join(parsed, node, certificates, "Give --join the HOST:PORT that a node printed when it started", stop.Token) : null,
            };
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
            catch (SearchStoppedException stopped)
            {
                Console.Error.WriteLine($"{stopped.Message} The same command with the same --run-dir goes on where it stopped.");
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
        var standings = new Standings(list);
        var before = 0;
        foreach (var run in list.Runs)
        {
            foreach (var (rung, result) in folder.Find(run, list.Rungs, problems).Index())
            {
                standings.Add(run, rung, result);
                before++;
            }
        }

        if (Problems.Print(problems))
        {
            return ExitCodes.UsageWrong;
        }

        Directory.CreateDirectory(folder.FullPath);
        var halving = list.Rungs.Count > 1 ? $" up to rungs at {string.Join(", ", list.Rungs.OfType<int>())} and {list.Trials[0].Experiment.Training.Epochs} epochs" : "";
        given.Say($"{list.Trials.Count} trials, {list.Runs.Count()} runs{halving}, {before} of them ended before. Folder: {folder.FullPath}");
        if (standings.Next().Count > 0)
        {
            var course = new SearchCourse(list, standings, folder, given.Say);
            if ((given.Join is null ? await RunHere(course, list, given) : await RunThere(course, list, given, given.Join)) is var code && code != ExitCodes.Done)
            {
                return code;
            }
        }

        var sorted = standings.Sorted();
        var results = folder.Save(list, sorted);
        Plots.Save(list, sorted, folder.In("results.png"));
        var parallel = ParallelPlot.Save(list, sorted, folder.In("parallel.png")) ? $", {folder.In("parallel.png")}" : "";
        var (headers, rows) = TuneTable.Of(list.Tune, sorted, list.Rungs.Count);
        if (given.Json)
        {
            Console.Out.WriteLine(results);
        }
        else
        {
            Tables.Print(headers, rows);
            Console.WriteLine($"Results: {folder.In("results.json")}, {folder.In("results.png")}{parallel}");
        }

        if (sorted is not [var best, ..] || !best.IsFinite(list.Tune.Metric))
        {
            Console.Error.WriteLine($"No trial has a {ExperimentNames.Of(list.Tune.Metric)}: all of them failed. Try lower learning rates.");
            return ExitCodes.TrainingFailed;
        }

        given.Say($"Best: trial {best.Trial.Number}. Train it with: dtrain train {folder.In("best.yaml")}");
        return ExitCodes.Done;
    }

    private static async Task<int> RunHere(SearchCourse course, TrialList list, Invocation given)
    {
        LocalTrials[] runners = [.. Enumerable.Range(0, Math.Min(given.Parallel, list.Runs.Count())).Select(_ => new LocalTrials(
            () => LocalCluster.Start(list.Trials[0].Experiment.Cluster, !given.Processes, given.Say, given.Certificates), given.Text.BaseDirectory, given.Say))];
        try
        {
            await course.Run(runners, given.Cancel);
            return ExitCodes.Done;
        }
        finally
        {
            Array.ForEach(runners, static runner => runner.Dispose());
        }
    }

    private static async Task<int> RunThere(SearchCourse course, TrialList list, Invocation given, Func<Task<(NodeHost? Host, int ExitCode)>> join)
    {
        var (host, code) = await join();
        if (host is not null)
        {
            await using var trials = new ClusterTrials(host, given.Text.BaseDirectory, list.Experiment.Cluster, given.Say);
            await course.Run([trials], given.Cancel);
        }

        return code;
    }

    /// <summary>What cannot be asked for at once.</summary>
    private static List<string> Contradictions(string? join, bool processes, int parallel, bool rangeTest)
    {
        var problems = new List<string>();
        if (join is not null && processes)
        {
            problems.Add("--processes is for a cluster of this machine, and --join names another one. Remove one of them.");
        }

        if (parallel < 1)
        {
            problems.Add($"--parallel is {parallel}, it must be at least 1.");
        }

        if (join is not null && parallel > 1)
        {
            problems.Add("--parallel is for this machine, and --join names a cluster, which trains one experiment at a time, on all of its workers. Remove one of them.");
        }

        if (rangeTest && parallel > 1)
        {
            problems.Add("--range-test is one run. Remove --parallel.");
        }

        if (join is not null && rangeTest)
        {
            problems.Add("--range-test is one short run, and is made here: it reads what the run writes at each step. Remove --join.");
        }

        return problems;
    }

    /// <summary>What the user asked for.</summary>
    internal sealed record Invocation(ExperimentText Text, string[] Overrides, string? Directory, bool Json, bool Processes, NodeCertificates? Certificates, CancellationToken Cancel)
    {
        /// <summary>Trials at a time on this machine.</summary>
        public int Parallel { get; init; } = 1;

        /// <summary>Joins the cluster that runs the trials; null: there is one of this machine for them.</summary>
        public Func<Task<(NodeHost? Host, int ExitCode)>>? Join { get; init; }

        /// <summary>Tells of progress: on standard error where standard output is for JSON alone.</summary>
        public void Say(string text) => (Json ? Console.Error : Console.Out).WriteLine(text);
    }
}
