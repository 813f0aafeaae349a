using DistributedTrainer.Data;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>
/// From one version of the parameters to the next: k = training.local-steps steps, fewer where the epoch or the run ends
/// before. A version's number is the number of steps behind it, so that with k = 1 the next one's is larger by one.
/// </summary>
internal sealed class Rounds(LeafSchedule schedule, int length, long totalSteps)
{
    /// <summary>The version after one, which is at the beginning of an epoch or behind any of its rounds.</summary>
    public long After(long version)
    {
        if (length == 1 || version < 0 || version >= totalSteps)
        {
            return version + 1;
        }

        var inEpoch = version % schedule.StepsPerEpoch;
        var end = Math.Min(inEpoch - (inEpoch % length) + length, schedule.StepsPerEpoch);
        return Math.Min(version - inEpoch + end, totalSteps);
    }

    /// <summary>Whether a version has so many steps behind it.</summary>
    public bool Begins(long step) => step >= totalSteps || step % schedule.StepsPerEpoch % length == 0;

    /// <summary>Rows of a shard in all steps from a version to the next.</summary>
    public int Rows(long version, int shard)
    {
        var (rows, end) = (0, After(version));
        for (var step = version; step < end; step++)
        {
            rows += schedule.LeafRows(step, shard);
        }

        return rows;
    }
}
