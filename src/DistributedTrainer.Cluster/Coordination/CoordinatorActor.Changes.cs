using Akka.Actor;
using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Replay;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// Settings that are changed while training goes on. What only the coordinator has to know holds at once. For the rest all
/// partitions are held at a version that becomes a checkpoint; the run folder's experiment is rewritten, and with that it is
/// decided; and a new generation loads the checkpoint with the new settings. Whoever dies before that leaves the old ones,
/// whoever dies after it the new ones, everywhere.
/// </summary>
internal sealed partial class CoordinatorActor
{
    private const int ChangeAttempts = 5;

    // For whoever has missed the answer and asks again.
    private (string Request, IProtocolMessage Message)? _answered;

    // What the coordinator before this one had decided and not noted.
    private SettingChange[] _unnoted = [];
    private TimeSpan _begunAt;

    private void OnChange(Change change)
    {
        if (_answered is { } answered && answered.Request == change.Request)
        {
            Sender.Tell(answered.Message);
        }
        else if (_run is { } run)
        {
            Change(run, change);
        }
        else if (_starting || _holders.Count > 0 || Now - _begunAt <= RecallLimit)
        {
            Sender.Tell(new ChangePending(change.Request, "the coordinator has just begun, and looks for the run"));
        }
        else
        {
            Sender.Tell(new NotChanged(change.Request, true, ["No training is running in this cluster."]));
        }
    }

    private void Change(ActiveRun run, Change change)
    {
        if (run.Change is { } pending)
        {
            if (pending.Request == change.Request)
            {
                pending.Asker = Sender;
                TellWaiting(run, pending);
            }
            else
            {
                Sender.Tell(new NotChanged(change.Request, false, [$"Another change is being made: {pending.Text}. Try again when it holds."]));
            }

            return;
        }

        var problems = new List<string>();
        var plan = RunSettings.Changed(run.Plan.Experiment, change.Set, problems) is { } experiment ? run.Plan.With(experiment) : null;
        if (plan is not null)
        {
            PlanProblems.FindInModel(plan, problems);
        }

        if (plan is null || problems.Count > 0)
        {
            Sender.Tell(new NotChanged(change.Request, true, [.. problems]));
            return;
        }

        var wanted = new PendingChange(change.Request, plan, RunSettings.Between(run.Plan.Experiment, plan.Experiment)) { Asker = Sender };
        if (wanted.Changes.Length == 0)
        {
            Sender.Tell(Holding(run, wanted, run.Progress.ModeSince));
        }
        else if (run.Phase == RunPhase.Finishing || run.Stopping)
        {
            Sender.Tell(new NotChanged(change.Request, false, ["The run is ending."]));
        }
        else if (wanted.ConcernsNodes)
        {
            run.Change = wanted;
            Log($"wanted: {wanted.Text}");
            TellWaiting(run, wanted);
            AskForChange(run);
        }
        else
        {
            ChangeHere(run, wanted);
        }
    }

    /// <summary>What nobody else has to know.</summary>
    private void ChangeHere(ActiveRun run, PendingChange change)
    {
        run.Change = change;
        if (!TryAdopt(run, change, run.Progress.Step))
        {
            return;
        }

        ChangeHolds(run, change, run.Progress.Step);
        var tooFew = _roster.UsableWorkers.Count < run.Plan.Experiment.Cluster.MinimumWorkers;
        if (run.Phase == (tooFew ? RunPhase.Training : RunPhase.Paused))
        {
            BeginGeneration();
        }
    }

    private void TellWaiting(ActiveRun run, PendingChange change) => change.Asker.Tell(new ChangePending(change.Request, run.Phase switch
    {
        RunPhase.Gathering => "training has not begun: it is changed as soon as it does",
        RunPhase.Paused => "training is paused, since there are too few workers: it is changed as soon as it goes on",
        RunPhase.Loading => "a server is missing: it is changed as soon as there is one",
        _ => change.IsAdopted ? "all servers load the checkpoint that was made for it" : "a checkpoint is made for it",
    }));

    /// <summary>Has all partitions stop at a version; nothing follows it in this generation.</summary>
    private void AskForChange(ActiveRun run)
    {
        if (run is { Change: { IsAdopted: false } change, Phase: RunPhase.Training })
        {
            change.AskedAt = Now;
            AskLastCheckpoint();
        }
    }

    /// <summary>The question may have been lost.</summary>
    private void WatchChange()
    {
        if (_run is { Snapshot: null, Change: { } change } run && Now - change.AskedAt > Resend)
        {
            AskForChange(run);
        }
    }

    /// <summary>
    /// Some partitions stand still at a version that nobody can go on from, such as where a worker died between the last pushes
    /// of its step: they go on in a new generation.
    /// </summary>
    private void Release()
    {
        if (_run is { Phase: RunPhase.Training, Stopping: false })
        {
            BeginGeneration();
        }
    }

    /// <summary>A checkpoint is written, or could not be, and all partitions stand still at its version.</summary>
    private void HeldWritten(Written written)
    {
        var run = _run!;
        if (run.Change is not { IsAdopted: false } change)
        {
            // For somebody who is gone: a coordinator before this one.
            BeginGeneration();
        }
        else if (written.Problem is { } problem)
        {
            if (written.Checkpoint is not null || ++change.Failures >= ChangeAttempts)
            {
                ChangeFailed(run, change, $"the checkpoint of step {written.Version}, which it needs, could not be {(written.Checkpoint is null ? "fetched" : "written")}: {problem.TrimEnd('.')}. Training goes on as before.");
            }

            BeginGeneration();
        }
        else if (TryAdopt(run, change, written.Version))
        {
            CrashPoint.Reach("coordinator.changed", written.Version);
            BeginAnew();
            (run.From, run.IsStateKnown) = (written.Checkpoint, true);
            BeginLoaded();
        }
        else
        {
            BeginGeneration();
        }
    }

    /// <summary>From here on the new settings hold, whoever dies: the run folder's experiment has them.</summary>
    private bool TryAdopt(ActiveRun run, PendingChange change, long step)
    {
        CrashPoint.Reach("coordinator.changing", step);
        try
        {
            run.Folder.Experiment(ExperimentWriter.Write(ExperimentPaths.Absolute(change.Plan.Experiment, run.Prepare.BaseDirectory)));
        }
        catch (Exception problem) when (WriteProblem.Is(problem))
        {
            ChangeFailed(run, change, $"{Path.Combine(run.Folder.FullPath, RunFolder.ExperimentName)} cannot be written: {WriteProblem.Text(problem).TrimEnd('.')}. Training goes on as before.");
            return false;
        }

        change.IsAdopted = true;
        run.GoOnWith(change.Plan);
        run.Progress.Changed(step, change.Changes);
        return true;
    }

    /// <summary>Everybody trains, or is about to: what is wanted of the settings goes on.</summary>
    private void GoOnChanging()
    {
        var run = _run!;
        if (run is { Change: { IsAdopted: true } change, Phase: RunPhase.Training or RunPhase.Paused })
        {
            ChangeHolds(run, change, run.CommonVersion.Value);
        }
        else
        {
            AskForChange(run);
        }
    }

    private void ChangeHolds(ActiveRun run, PendingChange change, long step)
    {
        run.Change = null;
        Notice($"From step {step} on: {change.Text}.");
        Answer(change, Holding(run, change, step));
    }

    private void ChangeFailed(ActiveRun run, PendingChange change, string reason)
    {
        run.Change = null;
        Notice($"Not changed: {reason}");
        Answer(change, new NotChanged(change.Request, false, [Capital(reason)]));
    }

    private void Answer(PendingChange change, IProtocolMessage message)
    {
        _answered = (change.Request, message);
        change.Asker.Tell(message);
    }

    private static Changed Holding(ActiveRun run, PendingChange change, long step) => new(
        change.Request, run.Id, run.Folder.FullPath, new StepId(step),
        Array.ConvertAll(change.Changes, static one => new SettingDifference(one.Key, one.From, one.To)),
        Array.ConvertAll(RunSettings.Of(run.Plan.Experiment), static one => new SettingDifference(one.Key, null, one.Value)));

    /// <summary>Sync between other modes: what is written down of it, see <see cref="Checkpoint.Orders"/>.</summary>
    private static IReadOnlyList<OrderSection> SyncSection(ActiveRun run) =>
        !run.Plan.IsLoose && run.Progress.Changes.Any(static change => change.Key == RunSettings.Mode) ? [OrderSection.Sync(run.Progress.ModeSince)] : [];

    /// <summary>Of a run that is taken over: its folder says how it goes on, its nodes how they were prepared.</summary>
    private static TrainingPlan AsItGoesOn(TrainingPlan prepared, string runDirectory)
    {
        var file = Path.Combine(runDirectory, RunFolder.ExperimentName);
        return File.Exists(file) && ExperimentReader.Read(File.ReadAllText(file), RunFolder.ExperimentName, []).Experiment is { } now
            ? prepared.With(RunSettings.Taking(prepared.Experiment, now))
            : prepared;
    }

    /// <summary>Whether all partitions that are there were loaded with the settings that hold.</summary>
    private bool AreSettled(ActiveRun run) =>
        _roster.Nodes.All(node => node.Partitions.Length == 0 || !_recalled.TryGetValue(node.Id, out var recalled) || (recalled.Settings ?? []).SequenceEqual(run.Settings ?? []));
}
