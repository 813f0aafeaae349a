using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tests.Optimizers;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>optimizers.json: the weights after each step, 1e-5 relative, 1e-6 absolute.</summary>
public sealed class OptimizerGoldenTests
{
    private const string File = "optimizers";

    public static TheoryData<int, string> Rows => GoldenFile.Rows(File);

    [Theory]
    [MemberData(nameof(Rows))]
    public void Trajectory_agrees(int index, string key)
    {
        var (whole, golden) = (GoldenFile.Whole(File), GoldenFile.Cases(File)[index]);
        var optimizer = Build(golden.Name, golden);
        var what = new OptimizerStep(0, (float)golden.Parameter("learningRate"), 4)
        {
            WeightDecay = (float)golden.Parameter("weightDecay", 0),
            L1 = (float)golden.Parameter("l1", 0),
        };
        golden.AllRead();
        var weights = whole.Array("start").Floats;
        var state = OptimizerRun.State(optimizer, weights.Length);
        var (gradients, trajectory) = (whole.Lists("gradients"), golden.Lists("trajectory"));
        Assert.Equal(gradients.Length, trajectory.Length);
        foreach (var (step, expected) in trajectory.Index())
        {
            // As from a batch of four rows: the sum is exact in float32.
            var sum = Array.ConvertAll(gradients[step], static value => (float)(4 * value));
            optimizer.Update(what with { Step = step }, weights, sum, state[0], state[1], weights);
            AssertBits.Near(expected, weights, 1e-5, 1e-6, $"{key} after step {step}");
        }
    }

    /// <summary>An optimizer by its name, also for the runs.</summary>
    internal static Optimizer Build(string name, GoldenCase golden) => name switch
    {
        "sgd" => new Sgd(),
        "momentum" => new Momentum((float)golden.Parameter("momentum")),
        "nesterov" => new Nesterov((float)golden.Parameter("momentum")),
        "rmsprop" => new RmsProp((float)golden.Parameter("decay"), (float)golden.Parameter("epsilon")),
        "adagrad" => new AdaGrad((float)golden.Parameter("epsilon")),
        "adam" => new Adam((float)golden.Parameter("beta1"), (float)golden.Parameter("beta2"), (float)golden.Parameter("epsilon")),
        "adamw" => new AdamW((float)golden.Parameter("beta1"), (float)golden.Parameter("beta2"), (float)golden.Parameter("epsilon")),
        _ => throw golden.Unknown($"the optimizer {name}"),
    };
}
