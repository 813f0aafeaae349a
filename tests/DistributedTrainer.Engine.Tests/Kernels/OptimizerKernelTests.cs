using DistributedTrainer.Engine.Kernels.Reference;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tests.Optimizers;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Kernels;

/// <summary>
/// Optimizers against one weight at a time, bit for bit, at every length: three steps plainly, and with decay, L1 (its zeros exact or not), a scale
/// and clipping, each by itself and all together.
/// </summary>
public sealed class OptimizerKernelTests
{
    private const float Epsilon = 1e-8f;

    private delegate float Plain(in OptimizerStep step, float weight, float gradientSum, ref float first, ref float second);

    private static readonly Dictionary<string, (Optimizer Fast, Plain Reference)> Optimizers = new()
    {
        ["sgd"] = (new Sgd(), static (in OptimizerStep step, float w, float g, ref float _, ref float _) => ReferenceOptimizers.Sgd(step, w, g)),
        ["momentum"] = (new Momentum(0.9f), static (in OptimizerStep step, float w, float g, ref float s, ref float _) => ReferenceOptimizers.Momentum(step, 0.9f, w, g, ref s)),
        ["nesterov"] = (new Nesterov(0.8f), static (in OptimizerStep step, float w, float g, ref float s, ref float _) => ReferenceOptimizers.Nesterov(step, 0.8f, w, g, ref s)),
        ["rmsprop"] = (new RmsProp(0.9f, Epsilon), static (in OptimizerStep step, float w, float g, ref float s, ref float _) => ReferenceOptimizers.RmsProp(step, 0.9f, Epsilon, w, g, ref s)),
        ["adagrad"] = (new AdaGrad(Epsilon), static (in OptimizerStep step, float w, float g, ref float s, ref float _) => ReferenceOptimizers.AdaGrad(step, Epsilon, w, g, ref s)),
        ["adam"] = (
            new Adam(0.9f, 0.99f, Epsilon),
            static (in OptimizerStep step, float w, float g, ref float s, ref float t) =>
                ReferenceOptimizers.Adam(step, Adam.Factors(step, 1, 0.9f, 0.99f, Epsilon), w, g, ref s, ref t)),
        ["adamw"] = (
            new AdamW(0.9f, 0.99f, Epsilon),
            static (in OptimizerStep step, float w, float g, ref float s, ref float t) =>
                ReferenceOptimizers.Adam(step with { WeightDecay = 0 }, Adam.Factors(step, 1 - (step.LearningRate * step.WeightDecay), 0.9f, 0.99f, Epsilon), w, g, ref s, ref t)),
    };

    private static readonly OptimizerStep[] Steps =
    [
        new(0, 0.05f, 13),
        new(0, 0.05f, 13) { WeightDecay = 0.01f },
        new(0, 0.05f, 13) { L1 = 0.003f },
        new(0, 0.05f, 13) { L1 = 0.05f, L1Zeros = true },
        new(0, 0.05f, 13) { GradientScale = 0.7f },
        new(0, 0.05f, 13) { ClipValue = 0.02f },
        new(4, 0.05f, 3) { WeightDecay = 0.01f, L1 = 0.002f, GradientScale = 0.9f, ClipValue = 0.25f },
        new(4, 0.5f, 3) { WeightDecay = 0.01f, L1 = 0.2f, L1Zeros = true, GradientScale = 0.9f, ClipValue = 0.25f },
    ];

    // Every fifth weight starts at 0, of either sign.
    private static readonly float[] Weights = [.. Numbers.Normal(Numbers.Lengths.Max(), 1).Select(static (w, i) => i % 5 == 0 ? (i % 2 == 0 ? 0f : -0f) : w)];

    // The second one holds NaN, infinities and denormal numbers.
    private static readonly float[][] Gradients = [Numbers.Normal(Weights.Length, 3), Numbers.WithSpecial(Weights.Length, 2), Numbers.Normal(Weights.Length, 5)];

    public static TheoryData<string> Names => [.. Optimizers.Keys];

    [Fact]
    public void Every_optimizer_has_a_reference() =>
        Assert.Equal(OptimizerRun.All.Select(static o => o.GetType().Name).Order(StringComparer.Ordinal), Optimizers.Values.Select(static o => o.Fast.GetType().Name).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Names))]
    public void Weights_and_states_have_the_reference_bits_at_every_length(string name)
    {
        foreach (var start in Steps)
        {
            foreach (var length in Numbers.Lengths)
            {
                Check(name, start, length);
            }
        }
    }

    private static void Check(string name, OptimizerStep start, int length)
    {
        var (fast, reference) = Optimizers[name];
        var expected = Weights[..length];
        float[] actual = [.. expected];
        var (s, t) = (new float[length], new float[length]);
        var state = OptimizerRun.State(fast, length);
        foreach (var (i, gradients) in Gradients.Index())
        {
            var step = start with { Step = start.Step + i };
            var gradient = gradients.AsSpan(0, length);
            for (var j = 0; j < length; j++)
            {
                expected[j] = reference(step, expected[j], gradient[j], ref s[j], ref t[j]);
            }

            fast.Update(step, actual, gradient, state[0], state[1], actual);
            AssertBits.Equal(expected, actual, $"{name} of {length}, {step}");
            AssertBits.Equal(s.AsSpan(0, state[0].Length), state[0], $"{name} of {length}, first state, {step}");
            AssertBits.Equal(t.AsSpan(0, state[1].Length), state[1], $"{name} of {length}, second state, {step}");
        }
    }
}
