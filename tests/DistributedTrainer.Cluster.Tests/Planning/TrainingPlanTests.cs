using CsCheck;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Tests.Planning;

public sealed class TrainingPlanTests
{
    [Fact]
    public void Pre_sums_of_any_split_of_the_shards_give_the_same_bits()
    {
        Gen.Select(Gen.Int[1, 40], Gen.Int[1, 5], Gen.Int[0, 1_000_000]).SampleSeeded(
            (leaves, workers, seed) =>
            {
                var random = new Random(seed);
                var tree = new FixedTree(leaves);
                var empty = Enumerable.Range(0, leaves).Select(leaf => leaf > 0 && random.Next(5) == 0).ToArray();
                var values = Enumerable.Range(0, leaves).Select(_ => (random.NextDouble() - 0.5) * Math.Pow(10, random.Next(8))).ToArray();
                var owners = Enumerable.Range(0, leaves).Select(_ => random.Next(workers)).ToArray();
                var server = Gather(tree, empty);
                var order = Enumerable.Range(0, workers).ToArray();
                random.Shuffle(order);
                foreach (var worker in order)
                {
                    var own = Gather(tree, empty);
                    for (var leaf = 0; leaf < leaves; leaf++)
                    {
                        if (owners[leaf] == worker && !empty[leaf])
                        {
                            own.Offer(TreeNode.OfLeaf(leaf), [values[leaf]]);
                        }
                    }

                    foreach (var (node, value) in own.Present())
                    {
                        server.Offer(node, [value[0]]);
                    }
                }

                Assert.Equal(Sum(tree.Root), server.Total![0]);

                double? Sum(TreeNode node) =>
                    !tree.Contains(node) ? null
                    : node.Level == 0 ? empty[node.Index] ? null : values[node.Index]
                    : (Sum(node.Left), Sum(node.Right)) is var (left, right) && left is null ? right : right is null ? left : left + right;
            },
            seed: "0000KOIPe036", iter: 300);
    }

    [Fact]
    public void Versions_are_evaluated_after_each_epoch_and_at_the_end()
    {
        var plan = new TestExperiment { Split = "{ validation: 0.1, test: 0 }", Training = "{ steps: 11, batch-size: 30, shards: 4 }" }.Plan();
        Assert.Equal(5, plan.Schedule.StepsPerEpoch);
        Assert.Equal([5, 10, 11], Enumerable.Range(0, 12).Where(version => plan.EvaluatesAt(version)));
    }

    [Theory]
    [InlineData("epochs: 4, pause-after: 2", "10 15")]
    [InlineData("steps: 11, pause-after: 1", "5 10")]
    [InlineData("steps: 11, pause-after: 3", "")]
    [InlineData("epochs: 4", "")]
    public void A_run_pauses_at_the_first_end_of_an_epoch_that_is_late_enough_and_is_evaluated_there(string training, string expected)
    {
        var plan = new TestExperiment { Training = $"{{ {training}, batch-size: 30, shards: 4 }}" }.Plan();
        var pauses = Enumerable.Range(0, (int)plan.TotalSteps + 1).Where(version => plan.PausesAt(version)).ToArray();
        Assert.Equal(expected, string.Join(' ', pauses));
        Assert.Equal([.. pauses, (int)plan.TotalSteps], Enumerable.Range(0, (int)plan.TotalSteps + 1).Where(version => plan.EvaluatesAt(version)));
    }

    [Fact]
    public void Without_validation_rows_only_the_end_is_evaluated()
    {
        var plan = new TestExperiment { Training = "{ steps: 11, batch-size: 30, shards: 4 }" }.Plan();
        Assert.Equal([11], Enumerable.Range(0, 12).Where(version => plan.EvaluatesAt(version)));
    }

    [Fact]
    public void Rows_under_a_node_are_those_of_its_leaves()
    {
        var plan = new TestExperiment { Training = "{ epochs: 1, batch-size: 31, shards: 5 }" }.Plan();
        Assert.Equal(7, plan.RowsUnder(0, TreeNode.OfLeaf(0)));
        Assert.Equal(6, plan.RowsUnder(0, new TreeNode(2, 1)));
        Assert.Equal(31, plan.RowsUnder(0, new TreeNode(3, 0)));
        Assert.Equal(0, plan.RowsUnder(0, new TreeNode(4, 0)));
        Assert.Equal(0, plan.RowsUnder(plan.TotalSteps, TreeNode.OfLeaf(0)));
    }

    private static TreeGather<double[]> Gather(FixedTree tree, bool[] empty)
    {
        var gather = new TreeGather<double[]>(tree, static (left, right) => left[0] += right[0], static _ => { });
        gather.Reset(leaf => !empty[leaf]);
        return gather;
    }
}
