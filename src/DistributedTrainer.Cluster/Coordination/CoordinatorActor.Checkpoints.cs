using Akka.Actor;
using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>Checkpoints are written while training goes on, and are what it goes back to when a server is lost.</summary>
internal sealed partial class CoordinatorActor
{
    // Partitions put the same version aside within a step of each other.
    private static readonly TimeSpan SnapshotLimit = TimeSpan.FromSeconds(10);

    // A step takes less, as a rule; otherwise the run ends with what there is.
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    // From the last byte of a partition's state until it says that all is there.
    private static readonly TimeSpan LoadingLimit = TimeSpan.FromSeconds(10);

    private const int LoadingAttempts = 5;

    private IEnumerable<NodeEntry> Servers => _roster.Nodes.Where(static node => node.Ready && node.IsServer);

    /// <summary>The state that all partitions begin with is known: spreads them over the servers, and brings it to them.</summary>
    private void BeginLoaded()
    {
        var run = _run!;
        var servers = Servers.Take(run.Plan.Experiment.Cluster.Servers).ToArray();
        if (servers.Length == 0)
        {
            // Until one is ready.
            run.Phase = RunPhase.Loading;
            return;
        }

        foreach (var server in _roster.Nodes)
        {
            var place = Array.IndexOf(servers, server);
            server.Partitions = place < 0 ? [] : [.. run.Plan.Ranges.Select(static range => range.Id).Where(id => id % servers.Length == place)];
        }

        foreach (var worker in _roster.Nodes.SelectMany(static node => node.Workers))
        {
            worker.Usable |= worker.Links.Forget();
        }

        NextGeneration(loads: true);
    }

    private Partitions.Host HostOn(NodeEntry server)
    {
        var run = _run!;
        var manifest = run.From?.Manifest;
        return new Partitions.Host(run.Id, run.Generation, server.Partitions, new StepId(manifest?.Step ?? 0), manifest?.Verdict ?? 0, manifest?.Judgement, run.Settings);
    }

    private void Hosted(Partitions.Hosted hosted)
    {
        var run = _run!;
        if (hosted.Generation.Value > run.Generation.Value && run.Phase == RunPhase.Fencing)
        {
            // The node has refused what it was told, since it has heard of a newer generation before this coordinator began.
            GoBeyond(hosted.Generation);
            return;
        }

        if (hosted.Generation != run.Generation || run.Phase != RunPhase.Fencing || run.From is not { } from || run.Transfer is not null)
        {
            return;
        }

        run.Hosted(hosted.Node);
        if (!_roster.Nodes.All(node => node.Partitions.Length == 0 || run.HasHosted(node.Id)))
        {
            return;
        }

        run.Transfer = NotYet.Instance;
        var (plan, host, routes, generation) = (run.Plan, _host, Routes(), run.Generation);
        Task.Run(() => new Brought(run.Id, generation, CheckpointTransfer.Restore(plan, host, routes, generation.Value, from), null))
            .PipeTo(Self, failure: cause => new Brought(run.Id, generation, null, cause.Message));
    }

    private void OnBrought(Brought brought)
    {
        if (_run is not { } run || brought.Run != run.Id || brought.Generation != run.Generation || run.Phase != RunPhase.Fencing)
        {
            brought.Transfer?.Dispose();
        }
        else if (brought.Transfer is not null)
        {
            (run.Transfer, run.BroughtAt) = (brought.Transfer, Now);
        }
        else
        {
            run.Transfer = null;
            LoadingFailed($"the state of step {run.From?.Step ?? 0} could not be brought to the servers: {brought.Problem}");
        }
    }

    private void ServerLost(string cause, NodeId? node = null)
    {
        var run = _run!;
        Notice($"{Capital(cause)}, and with it the newest parameters: training goes back to the last checkpoint.");
        run.Progress.Failed(cause, Now);
        if (node is not null)
        {
            // A worker may have told before that its connection is broken: this is why.
            run.Progress.Explain(node.Value, cause);
        }

        Load();
    }

    /// <summary>
    /// Shards move to workers that do not have what was not sent yet of their gradients: that was with whoever computed them so
    /// far. All go back to where it was put aside.
    /// </summary>
    private void ResidualsLost()
    {
        var run = _run!;
        const string Cause = "shards move, and what top-k has not sent yet of their gradients is with the last checkpoint";
        Notice($"{Capital(Cause)}: training goes back to it.");
        run.Progress.Failed(Cause, Now);
        Load();
    }

    /// <summary>Work is to move, and the rows are where it goes. Where shards cannot move without going back to a checkpoint, one is made first.</summary>
    private void Admit()
    {
        var run = _run!;
        if (run.Plan.ResidualVectors == 0 || run.Phase != RunPhase.Training)
        {
            BeginGeneration();
            return;
        }

        run.AdmitsNext = true;
        ServerOf(PartitionId.Lead.Value)?.Agent.Tell(new Partitions.AskCheckpoint(run.Id, Last: false));
    }

    /// <summary>Looks for the newest whole checkpoint; training goes back to it.</summary>
    private void Load()
    {
        var run = _run!;
        BeginAnew();
        var (checkpoints, attempt) = (run.Checkpoints, run.Attempt);
        Task.Run(() =>
        {
            var warnings = new List<string>();
            return new Loaded(run.Id, attempt, checkpoints.Newest(warnings), [.. warnings], null);
        }).PipeTo(Self, failure: cause => new Loaded(run.Id, attempt, null, [], cause.Message));
    }

    /// <summary>Whatever partitions hold is given up.</summary>
    private void BeginAnew()
    {
        var run = _run!;
        run.Phase = RunPhase.Loading;
        run.Attempt++;
        run.Transfer?.Dispose();
        (run.Transfer, run.Snapshot, run.From, run.IsStateKnown, run.SettledVersion, run.Move) = (null, null, null, false, -1, null);
        run.NonFinite.GoBack();
        foreach (var node in _roster.Nodes)
        {
            node.Partitions = [];
        }
    }

    private void OnLoaded(Loaded loaded)
    {
        var run = _run!;
        if (loaded.Attempt != run.Attempt || run.Phase != RunPhase.Loading)
        {
            return;
        }

        foreach (var warning in loaded.Warnings)
        {
            Notice($"Warning: {warning}");
        }

        if (loaded.Problem is { } problem)
        {
            LoadingFailed(problem);
            return;
        }

        (run.From, run.IsStateKnown) = (loaded.Checkpoint, true);
        run.Progress.GoingBack(run.From?.Step ?? 0);
        if (_unnoted.Length > 0)
        {
            run.Progress.Changed(run.From?.Step ?? 0, _unnoted);
            Notice($"From step {run.From?.Step ?? 0} on: {SettingChange.Text(_unnoted)}.");
            _unnoted = [];
        }

        Log(run.From is { } from ? $"going back to the checkpoint of step {from.Step}" : "going back to the beginning: there is no checkpoint yet");
        BeginLoaded();
    }

    private void LoadingFailed(string problem)
    {
        if (++_run!.LoadingFailures >= LoadingAttempts)
        {
            Fail(problem);
            return;
        }

        Notice($"{Capital(problem)}. It is tried again.");
        Load();
    }

    private void SnapshotTaken(Partitions.SnapshotTaken taken)
    {
        var run = _run!;
        if (taken.Version.Value <= run.SettledVersion || run.Snapshot?.Version > taken.Version.Value)
        {
            // Told again, or late: it is not needed.
            ServerOf(taken.Partition.Value)?.Agent.Tell(new Partitions.SnapshotDone(run.Id, taken.Partition, taken.Version));
            if (taken.Held)
            {
                Release();
            }

            return;
        }

        if (run.Snapshot is { } before && before.Version < taken.Version.Value)
        {
            DropSnapshot(before.Version);
        }

        if (run.Snapshot is null)
        {
            (run.Snapshot, run.LastProgress) = (new PendingSnapshot(taken.Version.Value, run.Plan.Ranges.Count, Now), Now);
        }

        // While partitions are fenced, what is told may be of the generation before.
        run.Snapshot.Add(taken, () => run.Progress.Memory(Now), run.Phase == RunPhase.Training ? run.Generation : default);
        if (run.Snapshot is { IsComplete: true, IsBeingWritten: false } whole)
        {
            Write(whole);
        }
    }

    private void Write(PendingSnapshot snapshot)
    {
        var run = _run!;
        snapshot.IsBeingWritten = true;

        // What a resumed run takes from the metrics must be there before the manifest is.
        run.Folder.FlushMetrics();
        var (plan, host, routes, checkpoints, finished) = (run.Plan, _host, Routes(), run.Checkpoints, run.Progress.Finished);
        var checkpoint = new Checkpoint(ManifestOf(run, snapshot)) { Orders = SyncSection(run) };
        if (checkpoint.Manifest.HasBest(plan))
        {
            checkpoint.Best = new FlatVersion(new float[checkpoint.Parameters.Length], new float[checkpoint.RunningStatistics.Length]);
        }

        Task.Run(() =>
        {
            CrashPoint.Reach("coordinator.fetching", checkpoint.Step);
            CheckpointTransfer.Fetch(plan, host, routes, checkpoint);
            if (!checkpoint.IsFinite)
            {
                // Whoever went back to it could not go on; and an older one would go in its favour.
                return new Written(run.Id, checkpoint.Step, checkpoint, "its parameters are not finite");
            }

            if (finished)
            {
                checkpoint.DropResiduals();
            }
            else if (!checkpoint.HasResiduals)
            {
                return new Written(run.Id, checkpoint.Step, checkpoint, "what top-k had not sent yet was not put aside with it");
            }

            try
            {
                checkpoints.Write(checkpoint, plan.Ranges);
                return new Written(run.Id, checkpoint.Step, checkpoint, null);
            }
            catch (Exception problem) when (WriteProblem.Is(problem))
            {
                return new Written(run.Id, checkpoint.Step, checkpoint, WriteProblem.Text(problem));
            }
        }).PipeTo(Self, failure: cause => new Written(run.Id, checkpoint.Step, null, cause.Message));
    }

    private static CheckpointManifest ManifestOf(ActiveRun run, PendingSnapshot snapshot) => new()
    {
        FormatVersion = CheckpointManifest.Format,
        Experiment = run.Plan.Experiment.Name,
        ExperimentSha256 = ExperimentIdentity.Sha256(run.Plan.Experiment),
        InputsSha256 = run.Plan.InputsSha256,
        Extensions = run.Prepare.Extensions is { } extensions ? Array.ConvertAll(extensions, static file => $"{file.Name} {file.Sha256}") : null,
        Step = snapshot.Version,
        Epoch = snapshot.Version / run.Plan.Schedule.StepsPerEpoch,
        StepInEpoch = snapshot.Version % run.Plan.Schedule.StepsPerEpoch,
        Generation = run.Generation.Value,
        Parameters = run.Plan.Model.Layout.Length,
        RunningStatistics = run.Plan.Model.Buffers.Length,
        StateVectors = run.Plan.StateVectors,
        Verdict = snapshot.Verdict,
        Judgement = snapshot.Judgement!,
        Progress = snapshot.Progress!,
        Files = [],
    };

    private void OnWritten(Written written)
    {
        var run = _run!;
        if (run.Snapshot is not { } snapshot || snapshot.Version != written.Version)
        {
            return;
        }

        DropSnapshot(written.Version);
        if (written.Problem is null)
        {
            Log($"checkpoint of step {written.Version} written");
            Took("checkpoint", $"checkpoint of step {written.Version}", written.Version, Now - snapshot.Since);
            run.Written = (run.Written.Count + 1, run.Written.Seconds + (Now - snapshot.Since).TotalSeconds, run.Written.Bytes + run.Checkpoints.BytesOf(written.Version));
            if (run.IsCheckpointMissing)
            {
                run.IsCheckpointMissing = false;
                Notice($"Checkpoints can be written again: that of step {written.Version} is.");
            }
        }
        else if (written.Checkpoint is null)
        {
            // Its server is gone, which is told of elsewhere.
            Log($"the checkpoint of step {written.Version} could not be fetched: {written.Problem}");
        }
        else if (run.IsCheckpointMissing)
        {
            // Told once, until one can be written.
            Log($"the checkpoint of step {written.Version} could not be written either: {written.Problem}");
        }
        else
        {
            run.IsCheckpointMissing = true;
            Notice($"The checkpoint of step {written.Version} could not be written: {written.Problem.TrimEnd('.')}. {(run.Checkpoints.Steps is [var last, ..] ? $"The one of step {last} stays." : "There is none yet.")}");
        }

        CheckpointSettled(snapshot);
        if (snapshot.HeldIn == run.Generation && run is { Phase: RunPhase.Training, Stopping: false })
        {
            HeldWritten(written);
        }
        else if (snapshot.IsHeld)
        {
            Release();
        }
        else if (run is { AdmitsNext: true, Phase: RunPhase.Training, Stopping: false })
        {
            // What the worker that joined begins with is written now, as far as it can be.
            BeginGeneration();
        }

        var isLast = run.StoppingSince is { } since && snapshot.Since >= since;

        // One that was still being written when the run came to its end is not the one that it ends with.
        if ((run.Phase == RunPhase.Finishing || isLast) && !(run.LastVersion > written.Version))
        {
            FinishWritten(written);
        }
    }

    /// <summary>Partitions keep it no longer; the next one may be made.</summary>
    private void DropSnapshot(long version)
    {
        var run = _run!;
        (run.Snapshot, run.SettledVersion) = (null, version);
        TellPartitions(id => new Partitions.SnapshotDone(run.Id, id, new StepId(version)));
    }

    private void TellPartitions(Func<PartitionId, IProtocolMessage> message)
    {
        foreach (var range in _run!.Plan.Ranges)
        {
            ServerOf(range.Id)?.Agent.Tell(message(new PartitionId(range.Id)));
        }
    }

    /// <summary>What takes too long is given up or asked for again.</summary>
    private void WatchCheckpoints()
    {
        var run = _run!;
        if (run.Snapshot is { IsComplete: false } snapshot && Now - snapshot.Since > SnapshotLimit)
        {
            Log($"the checkpoint of step {snapshot.Version} is given up: not all partitions have put it aside");
            DropSnapshot(snapshot.Version);
            if (snapshot.IsHeld)
            {
                Release();
            }
        }

        if (run.Phase == RunPhase.Fencing && !run.IsLoading && Now - run.FencingSince > LoadingLimit)
        {
            // Such as one that was being loaded when the coordinator before this one died.
            ServerLost("partitions did not answer");
        }
        else if (run.Phase == RunPhase.Fencing && run.BroughtAt is { } brought && Now - brought > LoadingLimit)
        {
            LoadingFailed($"partitions have not taken over the state of step {run.From!.Step}");
        }
        else if (run.StoppingSince is { } since && run.Snapshot is null && run.Phase == RunPhase.Training && Now - since > StopPatience)
        {
            BeginGeneration();
        }
        else if (run.StoppingSince is { } asked && run.Phase == RunPhase.Loading && Now - asked > StopPatience)
        {
            // The server died after the end was asked for, and may never come back.
            StopRun();
        }
        else if (run.Phase == RunPhase.Finishing && run.Snapshot is null && run.LastVersion is { } version && Now - run.LastProgress > Resend)
        {
            EndAt(version);
        }
    }

    private sealed record Loaded(RunId Run, int Attempt, Checkpoint? Checkpoint, string[] Warnings, string? Problem) : INoSerializationVerificationNeeded;

    private sealed record Brought(RunId Run, Generation Generation, IDisposable? Transfer, string? Problem) : INoSerializationVerificationNeeded;

    private sealed record Written(RunId Run, long Version, Checkpoint? Checkpoint, string? Problem) : INoSerializationVerificationNeeded;

    /// <summary>Stands for a transfer that has begun.</summary>
    private sealed class NotYet : IDisposable
    {
        public static readonly NotYet Instance = new();

        public void Dispose()
        {
        }
    }
}
