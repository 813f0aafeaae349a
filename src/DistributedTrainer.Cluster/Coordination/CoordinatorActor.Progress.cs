using Akka.Actor;
using DistributedTrainer.Cluster.Telemetry;
using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Protocol;
using Microsoft.Extensions.Logging;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>How far a run is, up to its result.</summary>
internal sealed partial class CoordinatorActor
{
    private const int FetchAttempts = 5;
    private const string FetchAgain = "fetch again";

    private (long Step, long Evaluation) _toldKept = (0, -1);
    private bool _toldProblem;

    private void Applied(Partitions.StepsApplied applied)
    {
        var run = _run!;
        if (applied.First.Value > run.Progress.Step)
        {
            // What comes before it was told to another coordinator, or got lost: all of it is told again.
            return;
        }

        if (applied.First.Value < run.Progress.Step)
        {
            // Told again: so what is known was not heard.
            _toldKept = (0, -1);
        }

        foreach (var skipped in applied.Skipped.Select(place => applied.First.Value + place).Where(step => step >= run.Progress.Step && run.Plan.IsVersion(step)))
        {
            run.NonFinite.Skipped(skipped, Now);
        }

        var recoveries = run.Progress.Recoveries.Count;
        run.LastProgress = Now;
        run.Progress.StepsApplied(applied, Now);
        run.Pace.Applied(applied.First.Value + applied.Rows.Length, Now);
        if (ServerOf(PartitionId.Lead.Value) is { } server)
        {
            server.Costs = new StepCosts(run.Progress.Step, 0, 0, 0, 0, applied.AllocatedBytes, 0);
        }

        if (run.Progress.Recoveries.Count > recoveries)
        {
            var recovery = run.Progress.Recoveries[^1];
            Notice($"Going on at step {recovery.Step}, {recovery.Seconds:0.00} s after: {recovery.Cause}.");
            Took("recovery", recovery.Cause, recovery.Step, TimeSpan.FromSeconds(recovery.Seconds));
        }
    }

    private void Evaluated(Partitions.Evaluated evaluated)
    {
        if (evaluated.Version.Value > _run!.Progress.Step)
        {
            // As above.
            return;
        }

        _run.LastProgress = Now;
        _run.Progress.Evaluated(evaluated);
        _run.Pace.Evaluated(evaluated.Version.Value, Now);
        var text = _run.Progress.EvaluationText(evaluated.Version.Value);
        Log(text);
        AnnounceEvaluation(text);

        // Before nodes are known, or while partitions go back, it is no end yet: it is looked for again when all are fenced.
        if (_run.Progress.IsOverAt(evaluated.Version.Value) && _run is { Phase: RunPhase.Training or RunPhase.Paused } or { Phase: RunPhase.Fencing, IsLoading: false })
        {
            if (_run.Progress.Finished && evaluated.Version.Value < _run.Plan.TotalSteps)
            {
                Notice($"Stopped early at step {evaluated.Version}: the validation has not become better since step {evaluated.Best}.");
            }

            EndAt(evaluated.Version.Value);
        }
    }

    private void Measured(Partitions.Measured measured)
    {
        if (!_run!.Described.Measured(_run.Plan, measured))
        {
            _logger.Say(LogLevel.Debug, $"The gradient of step {measured.Step} in partition {measured.Partition} does not fit the run as it is now, and is not written down.");
        }
    }

    /// <summary>All partitions are at the version that the run ends with, and stay there: it becomes the last checkpoint, and then the result.</summary>
    private void EndAt(long version)
    {
        var run = _run!;
        (run.Phase, run.LastVersion, run.LastProgress) = (RunPhase.Finishing, version, Now);
        run.SettledVersion = Math.Min(run.SettledVersion, version - 1);
        TellPartitions(id => new Partitions.TakeSnapshot(run.Id, id, new StepId(version)));
    }

    /// <summary>The user wants an end: a last checkpoint is made and nothing applied after it.</summary>
    private void StopRun()
    {
        var run = _run!;
        run.StoppingSince ??= Now;
        switch (run.Phase)
        {
            case RunPhase.Gathering:
                Fail("stopped before the first step");
                break;
            case RunPhase.Loading:
                Fail("stopped while the state of a checkpoint was looked for, or a server was missing to bring it to");
                break;
            case RunPhase.Training:
                AskLastCheckpoint();
                break;
            case RunPhase.Paused:
                FinishFenced();
                break;
        }
    }

    private void AskLastCheckpoint() => ServerOf(PartitionId.Lead.Value)?.Agent.Tell(new Partitions.AskCheckpoint(_run!.Id, Last: true));

    /// <summary>
    /// Partitions stand still, and the user wants an end. Where each worker goes at its own pace they stand between two
    /// steps, which is no checkpoint; nor is one where workers have what was not put aside.
    /// </summary>
    private void FinishFenced()
    {
        var run = _run!;
        var version = run.CommonVersion.Value;
        if (run.IsEven && version > 0 && !run.Plan.IsLoose && run.Plan.ResidualVectors == 0)
        {
            EndAt(version);
            return;
        }

        run.Progress.StoppedAt(version);
        Fetch(StoppedText(version), version);
    }

    private string StoppedText(long version) =>
        $"stopped at step {version} of {_run!.Plan.TotalSteps}; model.safetensors holds the parameters of that step";

    /// <summary>The last checkpoint is written, or cannot be: what is left is the result.</summary>
    private void FinishWritten(Written written)
    {
        var run = _run!;
        run.Phase = RunPhase.Finishing;
        run.LastVersion = null;
        if (run.Progress.Finished)
        {
            Fetch(null, run.Progress.KeptVersion);
            return;
        }

        // A user who wants an end meanwhile gets the same.
        var paused = run.Progress.IsOverAt(written.Version);
        var text = paused ? null : StoppedText(written.Version);
        run.Progress.StoppedAt(written.Version);
        if (run.NonFinite.StopsAt is not null && written.Checkpoint is not { IsFinite: true })
        {
            EndNonFinite(model: false, result: null);
        }
        else if (written.Checkpoint is { } checkpoint)
        {
            Finish(new Fetched(run.Id, run.Attempt, written.Version, new FinalParameters(checkpoint.Parameters, checkpoint.RunningStatistics), text, null));
        }
        else
        {
            Fetch(text, written.Version);
        }
    }

    private void Fetch(string? stopped, long version)
    {
        var run = _run!;
        run.Phase = RunPhase.Finishing;
        var (plan, host, routes, generation, attempt) = (run.Plan, _host, Routes(), run.Generation.Value, run.Attempt);
        Task.Run(() => new Fetched(run.Id, attempt, version, FinalParameters.Fetch(plan, host, routes, generation, version), stopped, null))
            .PipeTo(Self, failure: cause => new Fetched(run.Id, attempt, version, null, stopped, cause.Message));
    }

    private void Finish(Fetched fetched)
    {
        var run = _run!;
        if (fetched.Attempt != run.Attempt || run.Phase != RunPhase.Finishing)
        {
            return;
        }

        if (fetched.Parameters is null)
        {
            // A server that has just died is told of in a moment, and then training goes back.
            if (++run.FetchFailures < FetchAttempts)
            {
                Timers.StartSingleTimer(FetchAgain, new FetchDue(run.Id, run.Attempt, fetched.Version, fetched.Stopped), Resend);
            }
            else
            {
                Fail(fetched.Problem!);
            }

            return;
        }

        try
        {
            CrashPoint.Reach("coordinator.result", fetched.Version);
            var hash = run.Folder.Model(run.Plan, fetched.Parameters.Parameters, fetched.Parameters.Buffers);
            var result = run.Folder.Result(run.Progress.Result(hash, Now));
            if (run.NonFinite.StopsAt == fetched.Version)
            {
                EndNonFinite(model: true, result);
            }
            else
            {
                End(fetched.Stopped, result);
            }
        }
        catch (Exception problem) when (WriteProblem.Is(problem))
        {
            Fail($"the result could not be written: {WriteProblem.Text(problem)}");
        }
    }

    private void Fail(string reason) => End(_run!.Checkpoints.Steps is [var last, ..] ? $"{reason.TrimEnd('.')}. The last checkpoint is of step {last}." : reason, null);

    private void End(string? failure, string? result)
    {
        var run = _run!;
        Publish(run);
        foreach (var news in run.NonFinite.News(TimeSpan.MaxValue))
        {
            // Whatever is known of their causes by now.
            Notice(news);
        }

        if (run.Change is { } change)
        {
            run.Change = null;
            Answer(change, new NotChanged(change.Request, false, [$"The run ended before it could be changed: {failure ?? "it is done"}."]));
        }

        run.Folder.Log(failure ?? "done");
        Told($"{run.Folder.FullPath}: {failure ?? "done"}", failure is null ? LogLevel.Information : LogLevel.Error);
        RunTraces.End(run.Trace, run.Progress.Step, failure);
        if (failure is not null)
        {
            run.Folder.NoteEnd(failure);
        }

        run.Close();
        _toldProblem = false;
        var ended = new Ended(run.Id, failure is null, failure, result, run.Folder.FullPath);
        _ended[run.Id] = ended;
        Tell(run, ended);
        (_run, _figures.Coordinated) = (null, null);
        _holders.Clear();
        LetGo();
    }

    private void Tell(ActiveRun run, Ended ended)
    {
        _watcher.Tell(ended);
        foreach (var node in _roster.Nodes)
        {
            node.Agent.Tell(run.Prepare.EndCluster ? new Nodes.Shutdown("the run is over") : new Nodes.EndRun(run.Id));
            node.Reset();
        }
    }

    private void OnTick()
    {
        if (_run is not { } run)
        {
            return;
        }

        if (run.Phase == RunPhase.Gathering && _recallingSince is not null)
        {
            TakeOver();
        }
        else if (run.Phase == RunPhase.Gathering)
        {
            TryBegin();
        }
        else if (Now - run.LastProgress > Resend && run.Phase is RunPhase.Fencing or RunPhase.Training)
        {
            run.LastProgress = Now;
            if (run.Phase == RunPhase.Fencing)
            {
                SendFences();
            }
            else
            {
                SendAssignments();
            }
        }

        WatchCheckpoints();
        WatchChange();
        WatchNonFinite();
        WatchPace();
        WatchMove();
        if (_run is not null)
        {
            Publish(run);
        }
    }

    private void Publish(ActiveRun run)
    {
        var nodes = _roster.Nodes.SelectMany(node => node.Views(run.Shards))
            .Prepend(new NodeView("coordinator", "coordinator", _host, Environment.ProcessId, run.Phase.ToString().ToLowerInvariant(), [], 0, _address, [], null))
            .ToArray();
        run.Folder.FlushMetrics();
        run.Timeline.Flush();
        _figures.Coordinated = FiguresOf(run);
        TellKept(run);
        run.Cluster.Note(run, nodes, Now);
        run.Folder.Nodes(nodes.Select(static node => new { node.Role, Name = node.Node, node.Host, node.ProcessId, node.Address, node.DataAddresses }));
        if (run.Folder.Problem is { } problem && !_toldProblem)
        {
            _toldProblem = true;
            Notice($"The run folder cannot be written: {problem} Training goes on; what is missing is written when it can be.");
        }
        else if (run.Folder.Problem is null && _toldProblem)
        {
            _toldProblem = false;
            Notice("The run folder can be written again, and nothing is missing in it.");
        }

        var progress = run.Progress;
        _watcher.Tell(new View(
            run.Id, run.Phase.ToString().ToLowerInvariant(), progress.Step, run.Plan.TotalSteps, progress.Epoch, progress.Epochs, progress.Loss,
            progress.Mean(progress.Validation), progress.Accuracy(progress.Validation), progress.RowsPerSecond(Now), progress.StepsPerSecond(Now), (Now - progress.StartedAt).TotalSeconds, nodes));
    }

    /// <summary>What is in metrics.jsonl need not be told again, should another coordinator ask for it.</summary>
    private void TellKept(ActiveRun run)
    {
        var known = run.Progress.Known;
        if (run.Folder.Problem is null && known != _toldKept)
        {
            _toldKept = known;
            ServerOf(PartitionId.Lead.Value)?.Agent.Tell(new Partitions.StepsKept(run.Id, new StepId(known.Step - 1), new StepId(known.Evaluation)));
        }
    }

    private RunFigures FiguresOf(ActiveRun run) => new()
    {
        Run = run.Id.Value,
        Generation = run.Generation.Value,
        Step = run.Progress.Step,
        Steps = run.Plan.TotalSteps,
        Loss = run.Progress.Loss,
        ValidationLoss = run.Progress.Mean(run.Progress.Validation),
        ValidationAccuracy = run.Progress.Accuracy(run.Progress.Validation),
        RowsPerSecond = run.Progress.RowsPerSecond(Now),
        Recoveries = run.Progress.Recoveries.Count,
        RecoverySeconds = run.Progress.Recoveries.Sum(static recovery => recovery.Seconds),
        Checkpoints = run.Written.Count,
        CheckpointSeconds = run.Written.Seconds,
        CheckpointBytes = run.Written.Bytes,
    };

    /// <summary>Something that took a while is over: for the timeline, and for who traces.</summary>
    private void Took(string name, string text, long step, TimeSpan time)
    {
        var run = _run!;
        var microseconds = (long)time.TotalMicroseconds;
        run.Timeline.Event(name, text, step, NodeClock.Now - microseconds, microseconds);
        RunTraces.Took(run.Trace, name, text, step, time);
    }

    private sealed record FetchDue(RunId Run, int Attempt, long Version, string? Stopped) : INoSerializationVerificationNeeded;
}
