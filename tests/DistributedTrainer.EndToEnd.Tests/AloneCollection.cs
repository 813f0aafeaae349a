namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Tests that look at how long something takes, or how much memory: they have the machine to themselves.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    public const string Name = "alone";
}
