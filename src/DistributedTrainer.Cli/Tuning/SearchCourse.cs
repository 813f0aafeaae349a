using System.Collections.Concurrent;
using System.Globalization;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>The course of a search: what is due is run, by as many runners at a time as there are, until nothing is.</summary>
/// <param name="list">The trials.</param>
/// <param name="standings">What is known of them.</param>
/// <param name="folder">Where results go, after each run, so that whoever stops a long search has what there is.</param>
/// <param name="say">Told of each run.</param>
internal sealed class SearchCourse(TrialList list, Standings standings, TuneFolder folder, Action<string> say)
{
    private readonly Lock _gate = new();

    /// <summary>Runs what is left to do.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="SearchStoppedException">It cannot go on.</exception>
    public async Task Run(IReadOnlyList<ITrialRunner> runners, CancellationToken cancel)
    {
        while (standings.Next() is { Count: > 0 } due)
        {
            var queue = new ConcurrentQueue<RungRun>(due);
            using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            await Task.WhenAll(runners.Take(due.Count).Select(runner => Work(runner, queue, end)));
        }
    }

    private async Task Work(ITrialRunner runner, ConcurrentQueue<RungRun> queue, CancellationTokenSource end)
    {
        try
        {
            while (!end.IsCancellationRequested && queue.TryDequeue(out var due))
            {
                Take(due, await runner.Run(due, folder.In(due.Run.Folder), end.Token));
            }

            end.Token.ThrowIfCancellationRequested();
        }
        catch
        {
            // The others have nothing to go on for.
            await end.CancelAsync();
            throw;
        }
    }

    private void Take(RungRun due, RunOutcome outcome)
    {
        var run = due.Run;
        var result = outcome is { Failure: null, ResultJson: { } text } ? RunResult.Of(run.Fold, text) : new RunResult(run.Fold) { Failure = outcome.Failure };
        lock (_gate)
        {
            if (outcome is { Failure: null, ResultJson: { } kept })
            {
                folder.Keep(run, list.Rungs[due.Rung], kept);
            }

            standings.Add(run, due.Rung, result);
            say(Line(due, result));
            folder.Save(list, standings.Sorted());
        }
    }

    private string Line(RungRun due, RunResult result)
    {
        string[] name = [
            $"trial {due.Run.Trial.Number}/{list.Trials.Count}{(due.Run.Fold is { } fold ? $" fold {fold}" : "")}{(list.Rungs.Count > 1 ? $" rung {due.Rung + 1}/{list.Rungs.Count}" : "")}",
            .. due.Run.Trial.Settings.Select(static setting => setting.ToString()),
        ];
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{string.Join("  ", name)}  {(result.Failure is { } failure ? $"failed: {failure}" : $"{ExperimentNames.Of(list.Tune.Metric)} {result.Of(list.Tune.Metric):0.####}")}");
    }
}
