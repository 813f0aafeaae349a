using DistributedTrainer.Cluster.Coordination.Pacing;
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
            else if (one.Change is PaceChange.Slow or PaceChange.Relieved or PaceChange.Recovered)
            {
                Notice(one.Text);
            }
            else
            {
                Log(one.Text);
            }
        }

        if (news.Count > 0 && run.Phase == RunPhase.Training && run.Pace.WouldMove(_roster.UsableWorkers, run.Shards))
        {
            MoveShards(forSpeed: true);
        }
    }

    private void PlaceShards() => _run!.Pace.Place(_roster.UsableWorkers, _run.Shards, Now);
}
