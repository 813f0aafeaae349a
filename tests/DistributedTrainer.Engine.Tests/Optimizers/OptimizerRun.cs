using DistributedTrainer.Engine.Optimizers;

namespace DistributedTrainer.Engine.Tests.Optimizers;

internal static class OptimizerRun
{
    public static readonly Optimizer[] All = [new Sgd(), new Momentum(), new Nesterov(0.8f), new RmsProp(), new AdaGrad(), new Adam(), new AdamW()];

    public static TheoryData<int> Numbers => [.. Enumerable.Range(0, All.Length)];

    public static float[][] State(Optimizer optimizer, int length) =>
        [optimizer.StateVectors > 0 ? new float[length] : [], optimizer.StateVectors > 1 ? new float[length] : []];

    public static float[] Uniform(int length, int seed)
    {
        var random = new System.Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => (2 * random.NextSingle()) - 1)];
    }

    /// <summary>Some steps with everything switched on; returns the weights and the states.</summary>
    public static float[][] Steps(Optimizer optimizer, int length, int steps)
    {
        var weights = Uniform(length, 31);
        var state = State(optimizer, length);
        for (var step = 0; step < steps; step++)
        {
            var gradient = Uniform(length, 32 + step);
            var what = new OptimizerStep(step, 0.05f, 3) { WeightDecay = 0.01f, L1 = 0.002f, GradientScale = 0.9f, ClipValue = 0.25f };
            optimizer.Update(what, weights, gradient, state[0], state[1], weights);
        }

        return [weights, .. state];
    }

    /// <summary>Some steps with exact zeros of L1. Half the gradients lie within λ₁: weights stop at 0, and some leave it again.</summary>
    public static float[][] StepsWithZeros(Optimizer optimizer, int length, int steps)
    {
        var weights = Uniform(length, 31);
        var state = State(optimizer, length);
        for (var step = 0; step < steps; step++)
        {
            optimizer.Update(new OptimizerStep(step, 0.5f, 1) { L1 = 0.5f, L1Zeros = true }, weights, Uniform(length, 32 + step), state[0], state[1], weights);
        }

        return [weights, .. state];
    }

    /// <summary>One step of one weight from state 0.</summary>
    public static float One(Optimizer optimizer, OptimizerStep step, float weight, float gradientSum)
    {
        var state = State(optimizer, 1);
        var updated = new float[1];
        optimizer.Update(step, [weight], [gradientSum], state[0], state[1], updated);
        return updated[0];
    }
}
