using DistributedTrainer.Cluster.Servers;
using Assign = DistributedTrainer.Protocol.Workers.Assign;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// Error feedback keeps of each shard what was not sent yet. It stays with the worker that computes the shard; a version that
/// is put aside has it too, so that whoever goes on from there begins with it.
/// </summary>
internal sealed partial class StepLoop
{
    private readonly Func<bool> _isResidualThere;

    /// <summary>Whether the residuals of all shards are here at the version; those that are not are asked for. False: broken off.</summary>
    private bool HaveResiduals(Assign assignment)
    {
        foreach (var shard in _residuals is null ? [] : assignment.Shards)
        {
            if (_residuals!.Has(shard, _version))
            {
                continue;
            }

            if (_version == 0)
            {
                _residuals.Begin(shard);
            }
            else if (!FetchResidual(shard, assignment.Generation.Value))
            {
                return false;
            }
        }

        return true;
    }

    private bool FetchResidual(int shard, long generation)
    {
        _inbox.WantResidual(shard, _version, _residuals!.Place(shard));
        _links.PullResidual(generation, _version, shard);
        _versionRepeats.Begin();
        while (Await(_isResidualThere, _versionRepeats) is var outcome && outcome != WaitOutcome.Arrived)
        {
            if (outcome == WaitOutcome.BrokenOff)
            {
                return false;
            }

            // It was lost, or is long on its way: it has the same bits twice.
            _links.PullResidual(generation, _version, shard);
            _versionRepeats.Repeated();
        }

        _residuals.Loaded(shard, _version);
        return !Changed;
    }

    /// <summary>Before the pushes of a step after which the version is put aside: what they leave belongs to it.</summary>
    private void PushResiduals(Assign assignment)
    {
        if (_residuals is null || (_inbox.Ask & CheckpointAsk.Snapshot) == 0)
        {
            return;
        }

        foreach (var shard in assignment.Shards)
        {
            _links.PushResidual(assignment.Generation.Value, _version, shard, _residuals.After(shard, _version));
        }
    }
}
