namespace DistributedTrainer.Experiments;

/// <summary>
/// The section <c>checkpoint</c>: how often the whole state of a run is written into its folder. Nothing here changes the
/// result. Whatever the two intervals say, one is written on Ctrl+C and at the end, and never two at once: one that falls due
/// while another is being written waits for the next occasion.
/// </summary>
public sealed record CheckpointOptions
{
    /// <summary>After each so many steps; null: not by steps.</summary>
    public long? EverySteps { get; init; }

    /// <summary>After so much time; null: not by time.</summary>
    public double? EverySeconds { get; init; } = 30;

    /// <summary>How many stay, at least 1; older ones are deleted.</summary>
    public int Keep { get; init; } = 3;
}
