using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>What becomes of a run whose numbers are not finite any more.</summary>
internal sealed partial class CoordinatorActor
{
    private void NotFinite(Partitions.NotFinite found)
    {
        if (_run!.Phase is RunPhase.Training or RunPhase.Fencing or RunPhase.Paused)
        {
            _run.NonFinite.Stop(found.Step.Value, Now);
        }
    }

    private void WatchNonFinite()
    {
        if (_run is not { } run)
        {
            return;
        }

        foreach (var news in run.NonFinite.News(Now))
        {
            Notice(news);
        }

        if (run.Phase is not (RunPhase.Training or RunPhase.Fencing or RunPhase.Paused) || !run.NonFinite.IsStopDue(Now))
        {
            return;
        }

        if (run.NonFinite.StopsAt is > 0 and var version)
        {
            // All partitions have this version, and none has applied a step after it.
            EndAt(version);
        }
        else
        {
            EndNonFinite(model: false, result: null);
        }
    }

    private void EndNonFinite(bool model, string? result) =>
        End(_run!.NonFinite.StopText(_run.Folder.FullPath, model, _run.Checkpoints.Steps is [var last, ..] ? last : null), result);
}
