using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>A version that partitions have put aside, until all have, and it is written.</summary>
internal sealed class PendingSnapshot(long version, int partitions, TimeSpan since)
{
    private readonly HashSet<int> _taken = [];

    public long Version => version;

    public TimeSpan Since => since;

    /// <summary>The generation in which it was taken, where that is known.</summary>
    public Protocol.Generation Generation { get; init; }

    public long Verdict { get; private set; }

    public Judgement? Judgement { get; private set; }

    /// <summary>The run's course up to this version.</summary>
    public ProgressMemory? Progress { get; private set; }

    public bool IsBeingWritten { get; set; }

    /// <summary>Whether no step follows it in its generation.</summary>
    public bool IsHeld { get; private set; }

    public bool IsComplete => _taken.Count == partitions && Progress is not null;

    /// <summary>Notes an answer. That of the lead partition comes after it has told of all steps before.</summary>
    public void Add(Partitions.SnapshotTaken taken, Func<ProgressMemory> progress)
    {
        _taken.Add(taken.Partition.Value);
        if (taken.Judgement is not null)
        {
            (Verdict, Judgement, Progress, IsHeld) = (taken.Verdict, taken.Judgement, Progress ?? progress(), taken.Held);
        }
    }
}
