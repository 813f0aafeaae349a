using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>Work follows speed: what becomes of workers that are slow, fast again, or frozen.</summary>
internal sealed partial class CoordinatorActor
{
    private void WatchPace()
    {
        if (_run is not { Phase: RunPhase.Training, Move: null or { IsForSpeed: false } } run)
        {
            // Who was given a chance, or was found slow, is to be looked at with the shards that it gets.
            return;
        }

        // Whoever waits for its first shards has nothing to be judged by.
        var news = run.Pace.Look([.. _roster.UsableWorkers.Where(run.Shards.Workers.Contains)], run.Shards, Now);
        foreach (var one in news)
        {
            if (one.Change == PaceChange.Frozen)
            {
                // As good as dead; when it is heard of again, it is back.
                CutOff(_roster.Worker(one.Worker)!, one.Text);
            }
            else if (one.Change is PaceChange.Slow or PaceChange.Recovered)
            {
                Notice(one.Text);
            }
            else
            {
                Log(one.Text);
            }
        }

        if (news.Count > 0 && run.Phase == RunPhase.Training && run.Shards.WouldMove(_roster.UsableWorkers, run.Pace.Paces, run.Pace.Probe))
        {
            MoveShards(forSpeed: true);
        }
    }

    private void PlaceShards()
    {
        var (run, workers) = (_run!, _roster.UsableWorkers);
        run.Shards.Rebalance(workers, run.Pace.Paces, run.Pace.Probe);
        run.Pace.Assigned(workers, run.Shards, Now);
        run.Standstill.Begin(Now);
    }
}
