using System.Text.Json;
using DistributedTrainer.Cli.Commands;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Tuning;

/// <summary>
/// Runs in a cluster that is there anyway, one after the other: it trains one experiment at a time, on all of its workers. A run's
/// folder is where the coordinator is; here are its result, and a note of where the rest lies, from which it can go on.
/// </summary>
/// <param name="first">A node of the cluster.</param>
/// <param name="baseDirectory">Where relative paths of experiments start.</param>
/// <param name="options">The section cluster as the file has it: it decides no bit of a result.</param>
/// <param name="notice">Told what a person wants to know.</param>
internal sealed class ClusterTrials(NodeHost first, string baseDirectory, ClusterOptions options, Action<string> notice) : ITrialRunner, IAsyncDisposable
{
    private const string NoteName = "cluster.json";

    private static readonly JsonSerializerOptions NoteOptions = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    private NodeHost _host = first;

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    public async Task<RunOutcome> Run(RungRun due, string runDirectory, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var before = Begin(due, runDirectory);
        Submissions.Watch? watch = null;
        using var silence = new SilenceWatch(TimeProvider.System, silent => notice(due.Said(
            $"Nothing has been heard of the coordinator for {silent.TotalSeconds:0} s. The run may go on without it; it is waited for here until Ctrl+C.")));
        await using var stop = cancel.Register(() => StopRun(due, watch));
        var messages = _host.Submit(ExperimentArguments.Submission(due.Experiment with { Cluster = options }, baseDirectory, before?.RunDirectory, endCluster: false, before is not null), CancellationToken.None);
        while (true)
        {
            var follows = false;
            await foreach (var message in messages)
            {
                silence.Heard();
                switch (message)
                {
                    case Submissions.Accepted accepted:
                        watch = new Submissions.Watch(accepted.Run, accepted.RunDirectory);
                        JsonText.Save(Path.Combine(runDirectory, NoteName), JsonText.Of(new Note(accepted.Run.Value, accepted.RunDirectory, due.Experiment.Training.PauseAfter)));
                        if (before?.RunDirectory != accepted.RunDirectory)
                        {
                            notice(due.Said($"its run folder is {accepted.RunDirectory}, where the coordinator is."));
                        }

                        if (cancel.IsCancellationRequested)
                        {
                            StopRun(due, watch);
                        }

                        break;
                    case Submissions.Notice said:
                        notice(due.Said(said.Text));
                        break;
                    case Submissions.Rejected rejected when IsOf(before, due, rejected):
                        // Whoever began it here is gone, and the cluster has trained on.
                        watch = new Submissions.Watch(new RunId(before!.Run), before.RunDirectory);
                        notice(due.Said($"The cluster still trains it: {before.RunDirectory}"));
                        follows = true;
                        break;
                    case Submissions.Rejected rejected:
                        throw new SearchStoppedException(string.Join(' ', rejected.Problems) + (before is null ? "" : $" The run that is to go on is {before.RunDirectory}, on the coordinator's machine; to begin it anew, delete {runDirectory}."));
                    case Submissions.Ended ended:
                        return Collect(ended, runDirectory, cancel);
                }
            }

            if (!follows)
            {
                await ComeBack(due, watch);
            }

            messages = _host.Follow(watch!, CancellationToken.None);
        }
    }

    /// <summary>Notes what is to be run; returns where its beginning lies in the cluster, or null where there is none.</summary>
    private static Note? Begin(RungRun due, string runDirectory)
    {
        var file = Path.Combine(runDirectory, NoteName);
        var note = File.Exists(file) && TuneFolder.HasBegun(due.Run, runDirectory) ? JsonSerializer.Deserialize<Note>(File.ReadAllText(file), NoteOptions) : null;
        Directory.CreateDirectory(runDirectory);

        // In this order: a result belongs to the experiment beside it.
        File.Delete(Path.Combine(runDirectory, TuneFolder.ResultName));
        JsonText.Save(Path.Combine(runDirectory, TuneFolder.ExperimentName), ExperimentWriter.Write(due.Experiment));
        return note;
    }

    /// <summary>Whether the cluster refuses a run since it is training that very one.</summary>
    private static bool IsOf(Note? note, RungRun due, Submissions.Rejected rejected) =>
        note is not null && note.PauseAfter == due.Experiment.Training.PauseAfter && Array.Exists(rejected.Problems, problem => problem.Contains($" {note.Run};", StringComparison.Ordinal));

    /// <summary>A run that was stopped has no result: it goes on when the search does.</summary>
    private static RunOutcome Collect(Submissions.Ended ended, string runDirectory, CancellationToken cancel)
    {
        if (!ended.Succeeded)
        {
            cancel.ThrowIfCancellationRequested();
        }

        if (ended is { Succeeded: true, ResultJson: { } result })
        {
            JsonText.Save(Path.Combine(runDirectory, TuneFolder.ResultName), result);
        }

        return TrialRunner.Outcome(ended);
    }

    /// <summary>This node was taken out of the cluster: it looks for it again.</summary>
    private async Task ComeBack(RungRun due, Submissions.Watch? watch)
    {
        await _host.Completion;
        if (watch is null || _host.Return is not { } again)
        {
            throw new SearchStoppedException("This node was taken out of the cluster, and hears nothing more of the run.");
        }

        notice(due.Said("This node was taken out of the cluster; it looks for it again."));
        _host = await NodeHost.StartAsync(again, null, CancellationToken.None);
    }

    /// <summary>The user wants an end: a checkpoint is made, and the end of the run is waited for.</summary>
    private void StopRun(RungRun due, Submissions.Watch? watch)
    {
        if (watch is not null)
        {
            notice(due.Said("Stopping; Ctrl+C once more stops at once."));
            _host.Tell(new Submissions.Stop(watch.Run));
        }
    }

    /// <summary>Where a run lies in the cluster.</summary>
    /// <param name="Run">Its name.</param>
    /// <param name="RunDirectory">Its folder, on the coordinator's machine.</param>
    /// <param name="PauseAfter">The rung that it was on its way to; null: the end.</param>
    private sealed record Note(string Run, string RunDirectory, int? PauseAfter);
}
