using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>A version that partitions have put aside, until all have, and it is written.</summary>
internal sealed class PendingSnapshot(long version, int partitions, TimeSpan since)
{
    private readonly HashSet<int> _taken = [];

    public long Version => version;

    public TimeSpan Since => since;

    public long Verdict { get; private set; }

    public Judgement? Judgement { get; private set; }

    /// <summary>The run's course up to this version.</summary>
    public ProgressMemory? Progress { get; private set; }

    public bool IsBeingWritten { get; set; }

    /// <summary>Whether a partition stands still at it, as far as it has not been fenced since.</summary>
    public bool IsHeld { get; private set; }

    /// <summary>The generation in which the lead partition stands still at it: no step that follows was taken by all. Default: it does not, or it is not known.</summary>
    public Generation HeldIn { get; private set; }

    public bool IsComplete => _taken.Count == partitions && Progress is not null;

    /// <summary>Notes an answer. That of the lead partition comes after it has told of all steps before.</summary>
    /// <param name="taken">The answer.</param>
    /// <param name="progress">The run's course up to now.</param>
    /// <param name="generation">The one that all partitions are in; default: they are being fenced.</param>
    public void Add(Partitions.SnapshotTaken taken, Func<ProgressMemory> progress, Generation generation = default)
    {
        _taken.Add(taken.Partition.Value);
        IsHeld |= taken.Held;
        if (taken.Judgement is not null)
        {
            (Verdict, Judgement, Progress) = (taken.Verdict, taken.Judgement, Progress ?? progress());
            HeldIn = taken.Held ? generation : default;
        }
    }
}
