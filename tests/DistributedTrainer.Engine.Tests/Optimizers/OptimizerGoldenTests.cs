using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tests.Golden;

namespace DistributedTrainer.Engine.Tests.Optimizers;

public class OptimizerGoldenTests
{
    public static TheoryData<int, string> Cases => GoldenFile.Names("optimizers");

    [Theory]
    [MemberData(nameof(Cases))]
    public void Weights_follow_the_reference_from_step_to_step(int index, string name)
    {
        var root = GoldenFile.Root("optimizers");
        var golden = GoldenFile.Cases("optimizers")[index];
        var parameters = new GoldenParameters(golden.GetProperty("parameters"));
        Optimizer optimizer = name switch
        {
            "sgd" => new Sgd(),
            "momentum" => new Momentum((float)parameters.Get("momentum")),
            "nesterov" => new Nesterov((float)parameters.Get("momentum")),
            "rmsprop" => new RmsProp((float)parameters.Get("decay"), (float)parameters.Get("epsilon")),
            "adagrad" => new AdaGrad((float)parameters.Get("epsilon")),
            "adam" => new Adam((float)parameters.Get("beta1"), (float)parameters.Get("beta2"), (float)parameters.Get("epsilon")),
            "adamw" => new AdamW((float)parameters.Get("beta1"), (float)parameters.Get("beta2"), (float)parameters.Get("epsilon")),
            _ => throw new ArgumentException($"optimizers.json: the case {name} is unknown to the test."),
        };
        var (rate, decay, l1) = ((float)parameters.Get("learningRate"), (float)parameters.Get("weightDecay", 0), (float)parameters.Get("l1", 0));
        parameters.AllRead();

        var weights = root.GetProperty("start").Floats();
        var gradients = root.GetProperty("gradients").EnumerateArray().Select(static g => g.Floats()).ToArray();
        var state = OptimizerRun.State(optimizer, weights.Length);
        var steps = 0;
        foreach (var expected in golden.GetProperty("trajectory").EnumerateArray())
        {
            var step = new OptimizerStep(steps, rate, 1) { WeightDecay = decay, L1 = l1 };
            optimizer.Update(step, weights, gradients[steps], state[0], state[1], weights);
            GoldenFile.Near(expected.Doubles(), weights, $"step {steps}");
            steps++;
        }

        Assert.Equal(gradients.Length, steps);
    }
}
