using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination.Pacing;

/// <summary>What became of a worker.</summary>
internal enum PaceChange
{
    /// <summary>The others wait for it: it gets fewer shards.</summary>
    Slow,

    /// <summary>It may be that the others wait for it: it gets fewer shards, to see whether steps become faster.</summary>
    Doubted,

    /// <summary>They did: it stays like that.</summary>
    Relieved,

    /// <summary>They did not: it gets its shards back.</summary>
    Restored,

    /// <summary>It was slow, and is given more to do to see whether it still is.</summary>
    Tried,

    /// <summary>It still is.</summary>
    StillSlow,

    /// <summary>It is fast again, or at least faster.</summary>
    Recovered,

    /// <summary>It is not heard of, and the run stands still.</summary>
    Frozen,
}

/// <summary>A reason to place the shards anew, or to leave them where they were moved to.</summary>
/// <param name="Worker">Who.</param>
/// <param name="Change">What.</param>
/// <param name="Text">For people; of a frozen one, only the cause.</param>
internal sealed record PaceNews(WorkerId Worker, PaceChange Change, string Text);
