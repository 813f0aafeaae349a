using System.CommandLine;
using System.Runtime.InteropServices;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain control</c>: shows and changes settings of a training that goes on.</summary>
internal static class ControlCommand
{
    // Without any word of a coordinator. One that begins anew takes some seconds.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static Command Create()
    {
        var where = new Argument<string?>("WHERE") { Description = "The run's folder, or HOST:PORT of a node of its cluster. Default: DTRAIN_JOIN.", Arity = ArgumentArity.ZeroOrOne };
        var set = new Option<string[]>("--set")
        {
            CompletionSources = { CompletionCommand.Keys(RunSettings.Keys) },
            Description = $"Another value for one of {string.Join(", ", RunSettings.Keys)}. May be repeated: all are changed between the same two steps. Without: shows what they are.",
            HelpName = "key=value",
            DefaultValueFactory = static _ => [],
        };
        var (json, visit) = (new ExperimentArguments().Json, new ClusterVisit("WHERE"));
        var command = new Command(
            "control",
            "Changes how a run is trained while it goes on, between two steps and without ending a process; answers when it is so. The change of mode is recorded, for dtrain replay. Example: dtrain control runs/digits-20260101-120000 --set training.mode=stale --set training.staleness=2")
        {
            where, set, json,
        };
        visit.AddTo(command);
        command.SetAction(async (parsed, cancel) =>
        {
            if (Address(parsed.GetValue(where) ?? EnvironmentSettings.OfThisProcess["DTRAIN_JOIN"], out var wrong) is not { } join)
            {
                Console.Error.WriteLine(wrong);
                return ExitCodes.UsageWrong;
            }

            if (!visit.Read(parsed, out var certificates))
            {
                return ExitCodes.UsageWrong;
            }

            using var interrupted = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            void Interrupt(PosixSignalContext signal) => (signal.Cancel, _) = (!interrupted.IsCancellationRequested, interrupted.CancelAsync());
            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
            using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
            try
            {
                var (host, exitCode) = await visit.Join(parsed, join, certificates, "Give the run's folder, or the HOST:PORT that a node printed when it started", interrupted.Token);
                if (host is null)
                {
                    return exitCode;
                }

                await using (host)
                {
                    return await Ask(host, parsed.GetValue(set)!, parsed.GetValue(json), interrupted.Token);
                }
            }
            catch (OperationCanceledException)
            {
                Console.Error.WriteLine("Interrupted. What was asked for may still be done: dtrain control without --set shows it.");
                return ExitCodes.TrainingFailed;
            }
        });
        return command;
    }

    /// <summary>HOST:PORT; null: there is none, and this is why.</summary>
    private static string? Address(string? where, out string? problem)
    {
        problem = where is null ? "WHERE: missing. Write the run's folder, or the HOST:PORT that a node of the cluster printed when it started, or set DTRAIN_JOIN."
            : !Directory.Exists(where) && !where.Contains(':', StringComparison.Ordinal) ? $"{where}: there is no such folder, and it is no HOST:PORT. Write the run's folder, or the HOST:PORT that a node of the cluster printed when it started."
            : null;
        return where is null || problem is not null ? null
            : Directory.Exists(where) ? RunAddress.Of(Path.GetFullPath(where), out problem)
            : where;
    }

    private static async Task<int> Ask(NodeHost host, string[] set, bool json, CancellationToken cancel)
    {
        var waits = (string?)null;
        var answers = host.Change(new Submissions.Change(Guid.NewGuid().ToString("N"), set), cancel).GetAsyncEnumerator(cancel);
        await using (answers)
        {
            while (true)
            {
                var next = answers.MoveNextAsync().AsTask();
                try
                {
                    if (!await next.WaitAsync(Patience, cancel))
                    {
                        Console.Error.WriteLine("This node was taken out of the cluster, and hears nothing more. What was asked for may still be done: dtrain control without --set shows it.");
                        return ExitCodes.TrainingFailed;
                    }
                }
                catch (TimeoutException)
                {
                    Console.Error.WriteLine($"No coordinator of the cluster has answered for {Patience.TotalSeconds:0} s. Training may go on without one; start a node with the coordinator role.");

                    // What is still waited for ends with the node, and must not be disposed of meanwhile.
                    await host.DisposeAsync();
                    _ = await next;
                    return ExitCodes.TrainingFailed;
                }

                switch (answers.Current)
                {
                    case Submissions.ChangePending pending when pending.Waits != waits:
                        waits = pending.Waits;
                        Console.Error.WriteLine($"{char.ToUpperInvariant(waits[0])}{waits[1..]}.");
                        break;
                    case Submissions.NotChanged not:
                        Problems.Print(not.Problems);
                        return not.IsWrong ? ExitCodes.UsageWrong : ExitCodes.TrainingFailed;
                    case Submissions.Changed changed:
                        Show(changed, asked: set.Length > 0, json);
                        return ExitCodes.Done;
                }
            }
        }
    }

    private static void Show(Submissions.Changed changed, bool asked, bool json)
    {
        if (json)
        {
            Console.Out.WriteLine(JsonText.Of(new
            {
                Run = changed.Run.Value,
                changed.RunDirectory,
                FromStep = changed.From.Value,
                Changes = changed.Differences.Select(static one => new { one.Key, From = one.Before, To = one.Value }),
                Settings = changed.Settings.ToDictionary(static one => one.Key, static one => one.Value),
            }));
        }
        else if (changed.Differences.Length > 0)
        {
            Console.WriteLine($"From step {changed.From} on: {string.Join(", ", changed.Differences.Select(static one => $"{one.Key} is {one.Value} (was {one.Before})"))}.");
        }
        else if (asked)
        {
            Console.WriteLine($"Nothing changes: it was so before. The mode holds since step {changed.From}.");
        }
        else
        {
            Tables.Print(["key", "value"], [.. changed.Settings.Select(static one => (string[])[one.Key, one.Value])]);
            Console.WriteLine($"The mode holds since step {changed.From}. Run folder: {changed.RunDirectory}");
        }
    }
}
