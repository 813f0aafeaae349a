using DistributedTrainer.Experiments.Reading;

namespace DistributedTrainer.Experiments;

/// <summary>Keys that every experiment can have.</summary>
public static class ExperimentKeys
{
    /// <summary>All with their section, such as <c>training.epochs</c>, sorted.</summary>
    public static IReadOnlyList<string> All { get; } = [.. Names.KnownKeys.Order(StringComparer.Ordinal)];
}
