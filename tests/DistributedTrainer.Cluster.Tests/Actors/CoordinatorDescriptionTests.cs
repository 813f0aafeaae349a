using Akka.Actor;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>What a coordinator writes down of versions and gradients.</summary>
public sealed class CoordinatorDescriptionTests : CoordinatorTest
{
    private string[] Lines => File.ReadAllLines(Path.Combine(RunDirectory, "weights.jsonl"));

    [Fact]
    public void A_version_is_written_with_the_norms_of_the_gradient()
    {
        Describe();
        Coordinator.Tell(new Partitions.Measured(Run, PartitionId.Lead, new StepId(0), 30, [9, 9, 9]));
        Settle();
        Assert.Empty(Lines);
        Coordinator.Tell(new Partitions.Measured(Run, PartitionId.Lead, new StepId(0), 30, [9, 9, 9, 36]));
        Settle();
        Assert.EndsWith("\"norm\":1,\"gradientNorm\":0.2,\"counts\":[1]}]}", Assert.Single(Lines), StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_ends_leaves_no_version_out()
    {
        Describe();
        Coordinator.Tell(new Partitions.Failed(Run, new StepId(0), "no more"));
        Assert.False(Said<Submissions.Ended>().Succeeded);
        Assert.EndsWith("\"norm\":1,\"counts\":[1]}]}", Assert.Single(Lines), StringComparison.Ordinal);
    }

    private void Describe()
    {
        var (_, workers) = Training("w0", "w1");
        Coordinator.Tell(new Protocol.Workers.Described(
            Run, workers[0].Worker, new StepId(0), [.. Plan().Model.Layout.Slots.Select(static slot => new ParameterSummary(slot.Name, slot.Shape.Elements, 0, 1, 0.5, 1, [1]))]));
    }
}
