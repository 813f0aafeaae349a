using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Planning;

/// <summary>Which steps shards take by themselves before they are averaged.</summary>
public sealed class RoundsTests
{
    private static readonly TestExperiment Experiment = new() { Layers = ["linear: 8", "relu", "linear: 3"] };

    [Theory]
    [InlineData("epochs: 2, batch-size: 30", 1, new long[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 })]
    [InlineData("epochs: 2, batch-size: 30", 2, new long[] { 2, 4, 5, 7, 9, 10 })]
    [InlineData("epochs: 2, batch-size: 30", 5, new long[] { 5, 10 })]
    [InlineData("epochs: 2, batch-size: 30", 400, new long[] { 5, 10 })]
    [InlineData("steps: 8, batch-size: 30", 4, new long[] { 4, 5, 8 })]
    [InlineData("steps: 7, batch-size: 30", 4, new long[] { 4, 5, 7 })]
    public void Rounds_end_where_an_epoch_or_the_run_does(string length, int localSteps, long[] expected)
    {
        var plan = Plan($"{length}, shards: 4, local-steps: {localSteps}");
        var (versions, rows) = (new List<long>(), 0);
        for (var version = 0L; version < plan.TotalSteps; version = plan.After(version))
        {
            Assert.True(plan.IsVersion(version));
            versions.Add(plan.After(version));
            rows += plan.RowsAfter(version);
            Assert.Equal(plan.RowsAfter(version), Enumerable.Range(0, plan.Shards).Sum(shard => plan.LeafRows(version, shard)));
        }

        Assert.Equal(expected, versions);
        Assert.Equal(plan.TotalSteps * 30, rows);
        Assert.Equal([.. versions.Take(versions.Count - 1).Prepend(0)], Enumerable.Range(0, (int)plan.TotalSteps).Select(static step => (long)step).Where(plan.IsVersion));
    }

    [Fact]
    public void A_run_that_goes_on_behind_the_end_of_another_meets_its_rounds_again()
    {
        // Of 7 steps the last round was cut; one of 20 goes on from there.
        var plan = Plan("steps: 20, batch-size: 30, shards: 4, local-steps: 4");
        Assert.Equal([9L, 10L, 14L, 15L], [plan.After(7), plan.After(9), plan.After(10), plan.After(14)]);
    }

    [Theory]
    [InlineData("batch-norm", "training.local-steps: batch-norm and steps that shards take by themselves do not go together")]
    [InlineData("batch-norm: { sync: false }", "training.local-steps: batch-norm and steps that shards take by themselves do not go together")]
    public void What_does_not_go_with_it_is_refused(string layer, string expected)
    {
        var problems = new List<string>();
        Assert.Null((Experiment with { Layers = ["linear: 8", layer, "linear: 3"], Training = "{ epochs: 2, batch-size: 30, shards: 4, local-steps: 4 }" }).TryPlan(problems));
        Assert.StartsWith(expected, Assert.Single(problems), StringComparison.Ordinal);
    }

    [Fact]
    public void Rounds_longer_than_an_epoch_are_told()
    {
        Assert.Contains(
            "training.local-steps: 8 are more than the 5 steps of an epoch, at whose end shards are averaged in any case.",
            PlanWarnings.Of(Plan("epochs: 2, batch-size: 30, shards: 4, local-steps: 8")));
        Assert.DoesNotContain(PlanWarnings.Of(Plan("epochs: 2, batch-size: 30, shards: 4, local-steps: 5")), static warning => warning.StartsWith("training.local-steps", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("{ kind: adam, learning-rate: 0.01 }", 3, true)]
    [InlineData("{ kind: adam, learning-rate: 0.01 }", 4, false)]
    [InlineData("{ kind: momentum, learning-rate: 0.01 }", 2, true)]
    [InlineData("{ kind: sgd, learning-rate: 0.01 }", 2, false)]
    public void Rounds_that_send_no_less_are_told(string optimizer, int localSteps, bool told)
    {
        // Large enough that headers do not count.
        var experiment = Experiment with { Layers = ["linear: 512", "relu", "linear: 3"], Optimizer = optimizer };
        var plan = (experiment with { Training = $"{{ epochs: 2, batch-size: 30, shards: 4, local-steps: {localSteps} }}" }).Plan();
        Assert.Equal(told, PlanWarnings.Of(plan).Any(warning => warning.Contains($"so that {localSteps} of them send no less", StringComparison.Ordinal)));
        var without = (experiment with { Training = "{ epochs: 2, batch-size: 30, shards: 4 }" }).Plan();
        Assert.Equal(told, StepTraffic.Bytes(plan) > 0.95 * StepTraffic.Bytes(without));
    }

    private static TrainingPlan Plan(string training) => (Experiment with { Training = $"{{ {training} }}" }).Plan();
}
