using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Timeline;

/// <summary>
/// Which steps of a run are recorded: the first, the last, and windows between them at equal distances. It follows from the
/// experiment alone, so that all nodes record the same steps without a word.
/// </summary>
/// <param name="kind">As the experiment says.</param>
/// <param name="totalSteps">Of the run.</param>
public readonly struct TimelineWindow(TimelineKind kind, long totalSteps)
{
    /// <summary>Steps at the beginning, in which most is to be seen.</summary>
    public const int First = 256;

    /// <summary>Steps of each window after that.</summary>
    public const int Length = 64;

    /// <summary>Windows at most.</summary>
    public const int Count = 12;

    /// <summary>Steps that are recorded after each change of the assignment, wherever it comes.</summary>
    public const int AfterChange = 32;

    // Windows that are not recorded for each that is, and one.
    private readonly long _stride = Math.Max(1, (totalSteps + (Length * Count) - 1) / (Length * Count));

    /// <summary>Whether nothing is recorded at all.</summary>
    public bool IsOff => kind == TimelineKind.Off;

    /// <summary>Whether a step is among them.</summary>
    public bool Includes(long step) =>
        kind == TimelineKind.All
        || (kind == TimelineKind.Sampled && (step < First || step >= totalSteps - Length || step / Length % _stride == 0));
}
