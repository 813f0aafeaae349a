using Akka.Actor;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>Who computes which shards: losses, returns and joins, each the beginning of a generation.</summary>
internal sealed partial class CoordinatorActor
{
    /// <summary>A node that cannot read the data, or has read other data: the run goes on with the others, as long as there are enough.</summary>
    private void Unfit(NodeEntry? node, string problem)
    {
        if (node is null or { IsUnfit: true })
        {
            return;
        }

        node.Problem = problem;
        if (_run!.Phase != RunPhase.Gathering)
        {
            Notice($"Not used: {problem}");
        }
        else if (_recallingSince is null)
        {
            Notice($"Not used: {problem}");
            TryBegin();
        }
        else if (node.IsServer)
        {
            // It has the parameters: so it is this coordinator whose data is another one.
            LeaveAlone(problem);
        }
        else
        {
            Notice($"Not used: {problem}");
        }
    }

    private void TryBegin()
    {
        var run = _run!;
        var cluster = run.Plan.Experiment.Cluster;
        var servers = _roster.Nodes.Where(static node => node.Ready && node.IsServer).Take(cluster.Servers).ToArray();
        var workers = _roster.UsableWorkers.Count;
        var late = Now - run.Progress.StartedAt > GatheringLimit;
        if (CannotBegin(late) is { } reason)
        {
            Fail(reason);
            return;
        }

        // Unfit nodes are not waited for.
        var unfit = _roster.Nodes.Where(static node => node.IsUnfit).ToArray();
        var expectedServers = Math.Max(1, late ? 1 : cluster.Servers - unfit.Count(static node => node.IsServer));
        var expectedWorkers = Math.Max(cluster.MinimumWorkers, late ? 0 : cluster.Workers - unfit.Sum(static node => node.Workers.Count));
        if (servers.Length >= expectedServers && workers >= expectedWorkers)
        {
            BeginLoaded();
        }
    }

    /// <summary>Why the others are too few where all nodes that were asked for have come, or are late, and some are unfit.</summary>
    private string? CannotBegin(bool late)
    {
        var (cluster, nodes) = (_run!.Plan.Experiment.Cluster, _roster.Nodes);
        var servers = nodes.Where(static node => node.IsServer).ToArray();
        var workers = nodes.Where(static node => node.Workers.Count > 0).ToArray();
        var noServer = (late || servers.Length >= cluster.Servers) && servers.All(static node => node.IsUnfit);
        var noWorkers = (late || workers.Sum(static node => node.Workers.Count) >= cluster.Workers)
            && workers.Where(static node => !node.IsUnfit).Sum(static node => node.Workers.Count) < cluster.MinimumWorkers;
        var unfit = (noServer ? servers : noWorkers ? workers : []).Where(static node => node.IsUnfit).ToArray();
        return unfit.Length switch
        {
            0 => null,
            1 => unfit[0].Problem,
            _ => $"{unfit[0].Problem!.TrimEnd('.')}. So it is with {unfit.Length - 1} more",
        };
    }

    /// <summary>Whoever computes changes: fence all partitions, then assign anew from the version that all have.</summary>
    private void BeginGeneration()
    {
        var run = _run!;
        if (run.Phase is RunPhase.Loading || (run.Phase == RunPhase.Fencing && run.IsLoading))
        {
            // Nobody computes; who will is looked at when the partitions are loaded.
            return;
        }

        NextGeneration();
        CrashPoint.Reach("coordinator.fencing", run.Generation.Value);
    }

    private void NextGeneration(bool loads = false)
    {
        var run = _run!;
        run.NextGeneration(loads);
        (run.LastProgress, run.FencingSince) = (Now, Now);
        run.Folder.NoteGeneration(run.Generation.Value);
        run.Timeline.Event("generation", $"generation {run.Generation}{(loads ? ": state is loaded" : "")}", run.Progress.Step, Timeline.NodeClock.Now);
        SendFences();
    }

    private void SendFences()
    {
        var run = _run!;
        if (run.IsLoading)
        {
            foreach (var server in Servers)
            {
                server.Agent.Tell(HostOn(server));
            }

            return;
        }

        foreach (var partition in run.Unfenced)
        {
            ServerOf(partition)?.Agent.Tell(new Partitions.Fence(run.Id, new PartitionId(partition), run.Generation));
        }
    }

    private void Fenced(Partitions.Fenced fenced)
    {
        var run = _run!;
        if (fenced.Generation.Value > run.Generation.Value && run.Phase == RunPhase.Fencing)
        {
            // Of the time before this coordinator.
            GoBeyond(fenced.Generation);
            return;
        }

        if (!run.Fenced(fenced))
        {
            return;
        }

        run.Transfer?.Dispose();
        (run.Transfer, run.BroughtAt, run.LoadingFailures) = (null, null, 0);
        var minimum = run.Plan.Experiment.Cluster.MinimumWorkers;
        if (!run.IsClose)
        {
            // A coordinator before this one died while only some of the partitions had gone back.
            ServerLost("the coordinator died while partitions went back to a checkpoint");
            return;
        }

        if (run.IsEven && run.Progress.IsOverAt(run.CommonVersion.Value))
        {
            // The coordinator before this one saw the end, but did not come to write it down.
            run.Progress.Recovered(run.CommonVersion.Value, Now);
            EndAt(run.CommonVersion.Value);
        }
        else if (run.StoppingSince is { } since && ((run.IsEven && !run.Plan.IsLoose && run.Plan.ResidualVectors == 0) || _roster.UsableWorkers.Count < minimum || Now - since > StopPatience))
        {
            FinishFenced();
        }
        else if (_roster.UsableWorkers.Count < minimum)
        {
            run.Phase = RunPhase.Paused;
            Notice($"Paused: {_roster.UsableWorkers.Count} workers, cluster.minimum-workers is {minimum}. Training goes on when they are back.");
            HaveCheckpointMade();
        }
        else if (run.Plan.ResidualVectors > 0 && !run.IsLoading && run.CommonVersion.Value > 0 && run.Shards.WouldMove(_roster.UsableWorkers, run.Pace.Paces, run.Pace.Probe))
        {
            ResidualsLost();
        }
        else
        {
            run.Progress.GoingOnFrom(run.CommonVersion.Value, Now);
            PlaceShards();
            run.Phase = RunPhase.Training;
            CrashPoint.Reach("coordinator.assigning", run.Generation.Value);
            Log($"generation {run.Generation} goes on from version {run.CommonVersion}: {string.Join(", ", _roster.UsableWorkers.Select(worker => $"{worker} has shards [{string.Join(' ', run.Shards.ShardsOf(worker))}]"))}");
            SendAssignments();
            HaveCheckpointMade();
            if (run.Stopping)
            {
                AskLastCheckpoint();
            }
        }

        GoOnChanging();
    }

    /// <summary>What is being fenced or loaded is so again, in a generation that is newer than any that was seen.</summary>
    private void GoBeyond(Generation newest)
    {
        var run = _run!;
        var loads = run.IsLoading;
        run.Transfer?.Dispose();
        run.Transfer = null;
        run.CatchUp(newest, run.Loaded);
        NextGeneration(loads);
    }

    private void SendAssignments()
    {
        var run = _run!;
        run.LastProgress = Now;
        var routes = Routes();
        var workers = _roster.UsableWorkers.Where(run.Shards.Workers.Contains).ToArray();
        var threads = workers.Where(worker => run.Shards.ShardsOf(worker).Length > 0)
            .GroupBy(HostOf).ToDictionary(static host => host.Key, host => host.Sum(run.Shards.ThreadsOf));
        foreach (var worker in workers)
        {
            _roster.NodeOf(worker)!.Agent.Tell(new Protocol.Workers.Assign(
                run.Id, worker, run.Generation, run.Loaded, run.CommonVersion, run.Shards.ShardsOf(worker), routes, run.Settings, threads.GetValueOrDefault(HostOf(worker))));
        }
    }

    private string HostOf(WorkerId worker) => _roster.NodeOf(worker)!.Registration.Host;

    private Protocol.Workers.Route[] Routes() =>
        [.. from range in _run!.Plan.Ranges
            let server = ServerOf(range.Id)
            where server is not null
            select new Protocol.Workers.Route(new PartitionId(range.Id), server.Id, server.Registration.Host, server.Registration.ProcessId, server.DataAddresses)];

    private NodeEntry? ServerOf(int partition) => _roster.Nodes.FirstOrDefault(node => node.Partitions.Contains(partition));

    private void CutOff(Partitions.LinkLost lost)
    {
        if (_roster.Worker(lost.Worker) is { Usable: true } worker && _run!.Phase != RunPhase.Finishing)
        {
            CutOff(worker, $"connection to {lost.Worker} lost ({lost.Reason})");
        }
    }

    private void CutOff(WorkerEntry worker, string cause)
    {
        (worker.Usable, worker.CutOffAt) = (false, Now);
        WorkersChanged(cause, _run!.Shards.ShardsOf(worker.Id).Length > 0);
    }

    /// <summary>A worker whose connection broke is alive: it gets an assignment again and connects anew.</summary>
    private void Reconnect(Protocol.Workers.LinkLost lost)
    {
        if (_roster.Worker(lost.Worker) is not { } worker || _run!.Phase == RunPhase.Finishing || _roster.Find(lost.Server) is null)
        {
            return;
        }

        var cause = $"{lost.Worker} lost its connection to {lost.Server} ({lost.Reason})";
        if (worker.Links.Lost(lost.Server, Now))
        {
            worker.Usable = true;
            WorkersChanged(cause, true);
        }
        else if (worker.Usable)
        {
            // It cannot reach the server, or not for long: the others go on, and it connects meanwhile.
            CutOff(worker, cause);
        }
    }

    /// <summary>
    /// A worker that was cut off and still reports is alive. Its server and itself both tell of a broken connection, in
    /// any order, so that it may have been given up although it has connected anew.
    /// </summary>
    private void Heard(Protocol.Workers.Status status)
    {
        if (_roster.Worker(status.Worker) is not { } worker)
        {
            return;
        }

        worker.Heard(status, Now);
        _run!.Pace.Heard(status.Worker, status.Costs, Now);
        if (worker.Usable || worker.Problem is not null || Now - worker.CutOffAt < worker.Links.Away || _run!.Phase is not (RunPhase.Fencing or RunPhase.Training or RunPhase.Paused))
        {
            return;
        }

        if (worker.Links is { IsUnreached: true, IsConnecting: true })
        {
            // Without shards nobody waits for it. While it is at it, the same again counts for nothing.
            var run = _run!;
            _roster.NodeOf(worker.Id)!.Agent.Tell(new Protocol.Workers.Assign(run.Id, worker.Id, run.Generation, run.Loaded, run.CommonVersion, [], Routes(), run.Settings));
            return;
        }

        worker.Usable = true;
        worker.Links.Back(Now);
        Notice($"{worker.Id} is back.");
        MoveShards();
    }

    /// <summary>Its process is known to be dead, or it cannot be reached any more: whoever watches its actors would hear of it much later.</summary>
    private void Downed(Address address)
    {
        if (_roster.Nodes.FirstOrDefault(node => node.Agent.Path.Address.Equals(address)) is { } node)
        {
            _downed[node.Registration.ProcessId] = node.Id;
            Lose(node, "its process is dead or out of reach");
        }
    }

    /// <summary>The launcher knows of what; the cluster may have been quicker.</summary>
    private void Died(ProcessDied died)
    {
        if (_roster.FindProcess(died.ProcessId, _host) is { } node)
        {
            Lose(node, died.Reason, down: true);
        }
        else if (_downed.Remove(died.ProcessId, out var known) && _run is { } run)
        {
            var cause = $"{known} died ({died.Reason})";
            Notice($"{Capital(cause)}.");
            run.Progress.Explain(known, cause);
        }
    }

    private void Lose(NodeEntry? node, string reason, bool down = false)
    {
        if (node is null)
        {
            return;
        }

        Context.Unwatch(node.Agent);
        _roster.Remove(node);
        _holders.Remove(node.Id);
        _going.Remove(node.Id);
        if (down)
        {
            // The process is known to be dead: waiting for the failure detector would keep others from joining.
            Akka.Cluster.Cluster.Get(Context.System).Down(node.Agent.Path.Address);
        }

        if (_run is not { } run)
        {
            return;
        }

        var cause = $"{node.Id} died ({reason})";
        if (node.Partitions.Length > 0 && run.Phase != RunPhase.Gathering)
        {
            ServerLost(cause, node.Id);
        }
        else if (node.Workers.Count > 0 && run.Phase is not RunPhase.Gathering and not RunPhase.Finishing)
        {
            if (node.Workers.Any(worker => worker.Usable && run.Shards.ShardsOf(worker.Id).Length > 0))
            {
                WorkersChanged(cause, true);
            }
            else
            {
                // Its server may have told before that the connection closed: this is why.
                Notice($"{Capital(cause)}.");
                run.Progress.Explain(node.Id, cause);
                PauseWithTooFew(cause);
            }
        }
    }

    private void WorkersChanged(string cause, bool heldShards)
    {
        var run = _run!;
        if (heldShards)
        {
            Notice($"{Capital(cause)}: its shards move.");
            run.Progress.Failed(cause, Now);
            if (run.Phase != RunPhase.Gathering)
            {
                BeginGeneration();
            }
        }
        else
        {
            PauseWithTooFew(cause);
        }
    }

    /// <summary>Who had no shards is missed by no step, but may be one of those that a run is to have at least.</summary>
    private void PauseWithTooFew(string cause)
    {
        var run = _run!;
        if (run.Phase == RunPhase.Training && _roster.UsableWorkers.Count < run.Plan.Experiment.Cluster.MinimumWorkers)
        {
            run.Progress.Failed(cause, Now);
            BeginGeneration();
        }
    }

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    private void GiveUp(GaveUp gaveUp)
    {
        if (_run is not { } run)
        {
            return;
        }

        // The others go on without it as long as there are enough, or those that are missing are being launched again.
        var cluster = run.Plan.Experiment.Cluster;
        var isWorker = gaveUp.Role == "worker";
        var (there, places, least) = isWorker
            ? (_roster.UsableWorkers.Count, cluster.Workers, cluster.MinimumWorkers)
            : (Servers.Count(), cluster.Servers, 1);
        run.GaveUp[gaveUp.Role] = run.GaveUp.GetValueOrDefault(gaveUp.Role) + 1;
        if (there < least && places - run.GaveUp[gaveUp.Role] < least)
        {
            Fail($"a {gaveUp.Role} process was not launched again: {gaveUp.Reason}{(isWorker && least > 1 ? $"; cluster.minimum-workers is {least}" : "")}");
        }
        else
        {
            Notice($"A {gaveUp.Role} process is not launched again: {gaveUp.Reason}. The others go on without it.");
        }
    }
}
