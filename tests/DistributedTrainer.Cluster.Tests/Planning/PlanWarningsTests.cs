using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Planning;

public sealed class PlanWarningsTests
{
    [Fact]
    public void An_ordinary_experiment_has_none() => Assert.Empty(PlanWarnings.Of(new TestExperiment().Plan()));

    [Fact]
    public void Zero_weights_are_named_as_the_trap_that_they_are() =>
        Assert.Contains("zeros", Assert.Single(PlanWarnings.Of(new TestExperiment { Model = "init: { weights: zeros }" }.Plan())), StringComparison.Ordinal);

    [Fact]
    public void A_single_layer_may_start_at_zero() =>
        Assert.Empty(PlanWarnings.Of(new TestExperiment { Model = "init: { weights: zeros }", Layers = ["linear: 3"] }.Plan()));

    [Fact]
    public void A_class_without_training_rows_and_a_constant_column_are_named()
    {
        using var folder = new TemporaryFolder();
        folder.Write("data.csv", "x,same,kind\n" + string.Concat(Enumerable.Range(0, 20).Select(static i => $"{i},5,{(i % 2 == 0 ? "a" : "b")}\n")));
        folder.Write("other.csv", "x,same,kind\n1,5,a\n2,5,b\n");
        var experiment = new TestExperiment { Source = "data.csv", Layers = ["linear: 2"], Training = "{ epochs: 1, batch-size: 8, shards: 2 }" };
        Assert.Contains("same", Assert.Single(PlanWarnings.Of(experiment.Plan(folder.Path))), StringComparison.Ordinal);

        folder.Write("rare.csv", "x,kind\n1,a\n2,a\n3,a\n4,b\n5,b\n6,b\n7,c\n");
        var missing = Enumerable.Range(0, 20)
            .Select(seed => (experiment with { Source = "rare.csv", Preprocess = "[]", Layers = ["linear: 3"], Split = "{ validation: 0, test: 0.4, stratify: false }", Training = "{ epochs: 1, batch-size: 3, shards: 1 }", Seed = seed }).Plan(folder.Path))
            .SelectMany(PlanWarnings.Of)
            .ToArray();
        Assert.Contains(missing, static warning => warning.Contains("class c", StringComparison.Ordinal));
    }

    [Fact]
    public void A_target_of_a_single_class_is_refused()
    {
        using var folder = new TemporaryFolder();
        folder.Write("one.csv", "x,kind\n1,a\n2,a\n3,a\n4,a\n");
        var problems = new List<string>();
        Assert.Null(new TestExperiment { Source = "one.csv", Preprocess = "[]", Layers = ["linear: 1"], Training = "{ epochs: 1, batch-size: 2, shards: 1 }" }.TryPlan(problems, folder.Path));
        Assert.Contains("class a", Assert.Single(problems), StringComparison.Ordinal);
    }
}
