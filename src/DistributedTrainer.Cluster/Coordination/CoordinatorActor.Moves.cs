using Akka.Actor;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// Shards that move although those who compute them are well: a worker has come, is back, slow or fast again. Where rows have
/// to be fetched for it they are fetched first, and steps go on. Whatever begins a generation meanwhile ends the waiting.
/// </summary>
internal sealed partial class CoordinatorActor
{
    private void MoveShards(bool forSpeed = false)
    {
        var run = _run!;
        var missing = run.Phase == RunPhase.Training ? RowsToFetch(run) : [];
        if (missing.Count == 0)
        {
            run.Move = null;
            Admit();
            return;
        }

        // What another proposal has begun goes on, and so does its time.
        run.Move = new PendingMove(missing, forSpeed || run.Move is { IsForSpeed: true }, run.Move?.Since ?? Now);
        var text = $"{Listed(missing)} first; the others train on meanwhile.";
        if (forSpeed)
        {
            // Often they are there, since the shards were there before.
            Log(text);
        }
        else
        {
            Notice(text);
        }

        AskForRows(run, run.Move);
    }

    /// <summary>Shards by who would get them, of those who do not have the data. Where they go back to, their rows still are.</summary>
    private Dictionary<WorkerId, int[]> RowsToFetch(ActiveRun run) => run.Pace.GoesBack(_roster.UsableWorkers, run.Shards) ? []
        : run.Shards.Gains(_roster.UsableWorkers, run.Pace.Paces, run.Pace.Probe).Where(gained => _roster.NodeOf(gained.Key) is { FetchesRows: true }).ToDictionary();

    private static string Listed(Dictionary<WorkerId, int[]> missing) =>
        string.Join(", ", missing.Select(static pair => $"{pair.Key} fetches the rows of shard{(pair.Value.Length == 1 ? "" : "s")} {string.Join(' ', pair.Value)}"));

    private void AskForRows(ActiveRun run, PendingMove move)
    {
        move.AskedAt = Now;
        foreach (var (worker, shards) in move.Missing)
        {
            _roster.NodeOf(worker)?.Agent.Tell(new Protocol.Workers.Bring(run.Id, worker, shards));
        }
    }

    private void RowsBrought(Protocol.Workers.Brought brought)
    {
        if (_run is not { Phase: RunPhase.Training, Move: { } move } run)
        {
            // The shards were placed meanwhile, or another coordinator wanted to know.
            return;
        }

        if (brought.Problem is { } problem)
        {
            LeaveOut(brought.Worker, $"cannot have the rows of shards {string.Join(' ', brought.Shards)}: {problem}");
            return;
        }

        move.Brought(brought.Worker, brought.Shards);
        if (move.IsReady)
        {
            Log($"all rows are there {(Now - move.Since).TotalSeconds:0.00} s after they were asked for: shards move");
            Place(run);
        }
    }

    /// <summary>It would fail when it computes, and the run with it.</summary>
    private void LeaveOut(WorkerId id, string problem)
    {
        var run = _run!;
        if (_roster.Worker(id) is not { Problem: null } worker)
        {
            return;
        }

        worker.Problem = problem;
        Notice($"Not used: {id} {problem}");
        WorkersChanged($"{id} is left out", run.Shards.ShardsOf(id).Length > 0);
    }

    /// <summary>What is waited for too long, or for nobody any more.</summary>
    private void WatchMove()
    {
        if (_run is not { Move: { } move } run)
        {
            return;
        }

        var workers = _roster.UsableWorkers;
        if (run.Phase != RunPhase.Training)
        {
            run.Move = null;
        }
        else if (!move.Missing.Keys.All(workers.Contains))
        {
            ProposeAnew(run, move);
        }
        else if (move.IsOverdue(Now))
        {
            Notice($"The rows of shards that are to move have not all come in {(Now - move.Since).TotalMinutes:0} minutes: the others wait for the rest.");
            Place(run);
        }
        else if (move.IsForSpeed && run.Pace.WaitsForFrozen(workers, Now))
        {
            // Paces are looked at again when the shards are placed: then who is frozen is found.
            Place(run);
        }
        else if (Now - move.AskedAt > Resend)
        {
            AskForRows(run, move);
        }
    }

    /// <summary>Who was to get shards is gone.</summary>
    private void ProposeAnew(ActiveRun run, PendingMove move)
    {
        if (run.Pace.WouldMove(_roster.UsableWorkers, run.Shards))
        {
            MoveShards(move.IsForSpeed);
        }
        else
        {
            run.Move = null;
        }
    }

    private void Place(ActiveRun run)
    {
        run.Move = null;
        Admit();
    }
}
