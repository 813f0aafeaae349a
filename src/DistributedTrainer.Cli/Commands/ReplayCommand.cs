using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using DistributedTrainer.Channels;
using DistributedTrainer.Cli.Launching;
using DistributedTrainer.Cli.Tuning;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Replay;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain replay</c>: repeats a run in one process, and compares the bits.</summary>
internal static class ReplayCommand
{
    // As many updates as a person looks at; --json has all of them.
    private const int UpdatesShown = 20;

    public static Command Create()
    {
        var directory = new Argument<string>("RUN_DIR") { Description = "The run's folder." };
        var until = new Option<long?>("--until") { Description = "Stops where every leaf before this step was applied, and shows the updates up to there (modes stale and async).", HelpName = "STEP" };
        var (json, tls) = (new ExperimentArguments().Json, new TlsOption());
        var command = new Command(
            "replay",
            "Repeats a run in one process and compares the hash of its parameters; exit code 1 where they differ. In mode sync from the experiment, in stale and async from the recorded order of updates; a run whose mode was changed part by part. Example: dtrain replay runs/digits-20260101-120000 --until 40")
        {
            directory, until, json,
        };
        tls.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            if (!tls.ReadLocal(parsed, out var certificates))
            {
                return ExitCodes.UsageWrong;
            }

            var path = Path.GetFullPath(parsed.GetValue(directory)!);
            var file = Path.Combine(path, "experiment.yaml");
            if (!File.Exists(file))
            {
                Console.Error.WriteLine($"{path}: there is no run in it: experiment.yaml is missing. Name the folder that dtrain train has printed.");
                return ExitCodes.UsageWrong;
            }

            if (ExperimentArguments.Load(file, []) is not var (experiment, baseDirectory))
            {
                return ExitCodes.UsageWrong;
            }

            var stop = parsed.GetValue(until);
            if (stop < 1)
            {
                Console.Error.WriteLine($"--until is {stop}, it must be 1 at least.");
                return ExitCodes.UsageWrong;
            }

            if (experiment.Training.Mode != TrainingMode.Sync || RecordedRun.Is(path))
            {
                var problems = new List<string>();
                var outcome = RecordedRun.Repeat(path, experiment, stop, problems);
                return Problems.Print(problems) ? ExitCodes.UsageWrong : Report(outcome!, stop, parsed.GetValue(json));
            }

            if (stop is not null)
            {
                Console.Error.WriteLine("--until shows the order of updates, and in mode sync there is none: each step is one update. Leave it out.");
                return ExitCodes.UsageWrong;
            }

            return await Again(experiment, baseDirectory, path, parsed.GetValue(json), certificates, cancel);
        });
        return command;
    }

    private static int Report(ReplayOutcome outcome, long? until, bool json)
    {
        if (json)
        {
            Console.Out.WriteLine(JsonText.Of(new { outcome.Step, outcome.ParametersSha256, outcome.Recorded, Equal = Equal(outcome), Updates = until is null ? null : outcome.Updates }));
        }
        else
        {
            if (until is not null)
            {
                Tables.Print(
                    ["update", "worker", "shards", "step", "computed at", "behind", "gradient norm", "rows", "loss"],
                    [.. outcome.Updates.TakeLast(UpdatesShown).Select(static update => (string[])
                    [
                        Text(update.Number), update.Worker, string.Join(' ', update.Shards), Text(update.Step), Text(update.ComputedAt), Text(update.Number - update.ComputedAt),
                        update.LeftOut ? "not finite: left out" : update.GradientNorm.ToString("G4", CultureInfo.InvariantCulture), Text(update.Rows), update.Loss.ToString("0.0000", CultureInfo.InvariantCulture),
                    ])]);
            }

            Say(outcome.Updates.Count == 0 ? "" : $"{outcome.Updates.Count} updates up to step {outcome.Step}, {Mean(outcome):0.00} updates behind on average.", outcome.ParametersSha256, outcome.Recorded);
        }

        return Equal(outcome) == false ? ExitCodes.TrainingFailed : ExitCodes.Done;
    }

    /// <summary>A run of mode sync: the same experiment once more, by one worker.</summary>
    private static async Task<int> Again(Experiment experiment, string baseDirectory, string path, bool json, NodeCertificates? certificates, CancellationToken cancel)
    {
        var recorded = Path.Combine(path, "result.json");
        if (!File.Exists(recorded))
        {
            Console.Error.WriteLine($"{path}: there is no result.json to compare with: the run has not ended. Finish it with dtrain resume.");
            return ExitCodes.UsageWrong;
        }

        using var before = JsonDocument.Parse(await File.ReadAllTextAsync(recorded, cancel));
        var folder = Directory.CreateTempSubdirectory("dtrain-replay-");
        try
        {
            var alone = experiment with
            {
                Cluster = experiment.Cluster with { Workers = 1, Servers = 1, MinimumWorkers = 1 },
                Checkpoint = new CheckpointOptions { EverySteps = null, EverySeconds = null },
            };
            using var cluster = await LocalCluster.Start(alone.Cluster, inProcess: true, static _ => { }, certificates);
            var outcome = await new TrialRunner(cluster.Host, baseDirectory, static _ => { }).Run(RungRun.Alone(alone), Path.Combine(folder.FullName, "run"), cancel);
            if (outcome.ResultJson is null)
            {
                Console.Error.WriteLine($"The repetition failed: {outcome.Failure}");
                return ExitCodes.TrainingFailed;
            }

            using var after = JsonDocument.Parse(outcome.ResultJson);
            var (steps, all) = (before.RootElement.GetProperty("steps").GetInt64(), after.RootElement.GetProperty("steps").GetInt64());
            if (steps != all)
            {
                Console.Error.WriteLine($"{path}: the run was stopped at step {steps} of {all}, and cannot be compared. Finish it with dtrain resume.");
                return ExitCodes.UsageWrong;
            }

            var (then, now) = (Hash(before), Hash(after));
            if (json)
            {
                Console.Out.WriteLine(JsonText.Of(new { Step = steps, ParametersSha256 = now, Recorded = then, Equal = now == then }));
            }
            else
            {
                Say($"{steps} steps.", now, then);
            }

            return now == then ? ExitCodes.Done : ExitCodes.TrainingFailed;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string Hash(JsonDocument result) => result.RootElement.GetProperty("parametersSha256").GetString()!;

    private static bool? Equal(ReplayOutcome outcome) => outcome.Recorded is null ? null : outcome.Recorded == outcome.ParametersSha256;

    private static double Mean(ReplayOutcome outcome) => outcome.Updates.Average(static update => (double)(update.Number - update.ComputedAt));

    private static void Say(string what, string hash, string? recorded) => Console.WriteLine(
        $"{what} Parameters {hash}{(recorded is null ? "." : recorded == hash ? ": the same as the run's." : $", but the run had {recorded}. Is it the same data, and the same release?")}".TrimStart());

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
