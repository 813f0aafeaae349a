using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Tests.Training;

/// <summary>L1 with exact zeros on real data: logistic regression on breast-cancer, all rows in each step.</summary>
public sealed class SparseWeightsTests
{
    private static readonly TestExperiment Logistic = new()
    {
        Source = "breast-cancer",
        Layers = ["linear: 1"],
        Loss = "logistic",
        Training = "{ steps: 4000, batch-size: 569, shards: 2 }",
    };

    [Theory]
    [InlineData("sgd", 0.2)]
    [InlineData("momentum", 0.02)]
    [InlineData("nesterov", 0.02)]
    [InlineData("adam", 0.005)]
    public void The_share_of_zeros_grows_with_l1_and_the_optimum_condition_holds(string kind, double rate)
    {
        var zeros = new List<int>();
        foreach (var l1 in (double[])[0.01, 0.05, 0.2])
        {
            var plan = (Logistic with { Optimizer = FormattableString.Invariant($"{"{"} kind: {kind}, learning-rate: {rate}, l1: {l1}, l1-zeros: true {"}"}") }).Plan();
            var (weights, gradient) = Converged(plan);
            zeros.Add(weights.Count(static w => w == 0));
            for (var i = 0; i < weights.Length; i++)
            {
                // 0 is in the subdifferential of loss + λ ‖w‖₁: |g| ≤ λ at 0, and g = −λ sign(w) elsewhere.
                var holds = weights[i] == 0 ? Math.Abs(gradient[i]) <= l1 : Math.Abs(gradient[i] + (l1 * Math.Sign(weights[i]))) < 1e-3;
                Assert.True(holds, $"{kind}, l1 {l1}: weight {i} is {weights[i]}, its gradient {gradient[i]}");
            }
        }

        Assert.InRange(zeros[0], 10, 25);
        Assert.True(zeros[0] < zeros[1] && zeros[1] < zeros[2] && zeros[2] < 30, string.Join(", ", zeros));
    }

    [Fact]
    public void The_plain_subgradient_gives_no_zeros()
    {
        var plan = (Logistic with { Optimizer = "{ kind: sgd, learning-rate: 0.2, l1: 0.05 }", Training = "{ steps: 500, batch-size: 569, shards: 2 }" }).Plan();
        Assert.DoesNotContain(0f, Converged(plan).Weights);
    }

    // The 30 weights, and the mean gradient of the loss alone by them.
    private static (float[] Weights, float[] Gradient) Converged(TrainingPlan plan)
    {
        var trained = ReferenceTrainer.Train(plan);
        var rows = plan.Data.Training.Rows;
        var workspace = plan.Model.CreateWorkspace(plan.Loss, rows);
        trained.Parameters.CopyTo(workspace.Parameters);
        for (var row = 0; row < rows; row++)
        {
            plan.Data.Training.CopyRow(row, workspace.Input(rows).Slice(row * 30, 30));
            workspace.Labels(rows)[row] = plan.Data.Training.Label(row);
        }

        AlignedBuffer[] gradient = [new AlignedBuffer(plan.Model.Layout.Length)];
        workspace.Train(0, plan.Seed, [new LeafSegment(0, 0, rows)], gradient, new LeafSums[1], new LocalExchange(1));
        return (trained.Parameters[..30], [.. gradient[0].Span[..30].ToArray().Select(g => g / rows)]);
    }
}
