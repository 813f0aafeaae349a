using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>optimizers.json: the weights after each step, 1e-5 relative, 1e-6 absolute.</summary>
public sealed class OptimizerGoldenTests
{
    private const string File = "optimizers";

    // Name → the optimizer, or null while a parameter of the case is not known.
    private static readonly Dictionary<string, Func<GoldenCase, Optimizer?>> Table = new()
    {
        ["sgd"] = static _ => new Sgd(),
        ["momentum"] = static golden => new Momentum((float)golden.Parameter("momentum")),
        ["adam"] = static golden => new Adam((float)golden.Parameter("beta1", 0.9), (float)golden.Parameter("beta2", 0.999), (float)golden.Parameter("epsilon", 1e-8)),
    };

    public static TheoryData<int, string> Rows => GoldenFile.Rows(File, Knows);

    internal static bool Knows(GoldenCase golden) => Build(golden.Name, golden) is not null;

    /// <summary>An optimizer by its name, for the runs.</summary>
    internal static Optimizer? Build(string name, GoldenCase golden) => Table.GetValueOrDefault(name)?.Invoke(golden);

    [Theory]
    [MemberData(nameof(Rows))]
    public void Trajectory_agrees(int index, string key)
    {
        var (whole, golden) = (GoldenFile.Whole(File), GoldenFile.Cases(File)[index]);
        var optimizer = Build(golden.Name, golden)!;
        var weights = whole.Array("start").Floats;
        var state = Enumerable.Range(0, 2).Select(i => new float[i < optimizer.StateVectors ? weights.Length : 0]).ToArray();
        var (gradients, trajectory) = (whole.Lists("gradients"), golden.Lists("trajectory"));
        for (var step = 0; step < trajectory.Length; step++)
        {
            // As from a batch of four rows: the sum is exact in float32.
            var sum = Array.ConvertAll(gradients[step], static value => (float)(4 * value));
            optimizer.Update(step, (float)golden.Parameter("learningRate"), weights, sum, 4, (float)golden.Parameter("weightDecay", 0), state[0], state[1], weights);
            AssertBits.Near(trajectory[step], weights, 1e-5, 1e-6, $"{key} after step {step}");
        }
    }
}
