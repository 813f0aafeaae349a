using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Tests.Layers;

/// <summary>
/// Analytic gradients by the input and by every parameter, added over uneven leaves, against fourth-order differences of
/// Σ r · y with fixed r. Tolerance 2e-3 · max(1, |gradient|): what float32 rounding of the sum leaves at a step of 0.02.
/// </summary>
public sealed class LayerGradientTests
{
    private const float Step = 0.02f;

    private static readonly Dictionary<string, (Shape Input, LayerDefinition[] Layers)> Stacks = new()
    {
        ["conv2d"] = (new Shape(2, 5, 4), [new Conv2dDefinition(3, 3, Padding: 1)]),
        ["conv2d with stride"] = (new Shape(2, 6, 5), [new Conv2dDefinition(3, 3, Stride: 2, Padding: 1, Bias: false)]),
        ["conv2d of two layers"] = (new Shape(1, 6, 6), [new Conv2dDefinition(2, 3), new ActivationDefinition(Activation.Tanh), new Conv2dDefinition(2, 2, 2)]),
        ["max-pool2d"] = (new Shape(2, 5, 5), [new MaxPool2dDefinition(2)]),
        ["max-pool2d, windows that overlap"] = (new Shape(2, 7, 7), [new MaxPool2dDefinition(3, 2)]),
        ["avg-pool2d"] = (new Shape(2, 5, 5), [new AvgPool2dDefinition(3, 1)]),
        ["global-avg-pool2d"] = (new Shape(3, 4, 5), [new GlobalAvgPool2dDefinition(), new FlattenDefinition(), new LinearDefinition(2)]),
        ["layer-norm"] = (new Shape(19), [new LayerNormDefinition(), new LinearDefinition(3)]),
        ["batch-norm of images"] = (new Shape(2, 3, 3), [new BatchNormDefinition(), new ActivationDefinition(Activation.Tanh)]),
        ["batch-norm of images, each leaf"] = (new Shape(2, 3, 3), [new BatchNormDefinition(Sync: false), new ActivationDefinition(Activation.Tanh)]),
        ["residual"] = (new Shape(4), [new ResidualDefinition([new LinearDefinition(5), new ActivationDefinition(Activation.Tanh), new LinearDefinition(4)])]),
        ["residual with shortcut"] =
            (new Shape(2, 4, 4),
            [
                new ResidualDefinition(
                    [new Conv2dDefinition(3, 3, 2, 1), new BatchNormDefinition(), new DropoutDefinition(0.3f)],
                    [new Conv2dDefinition(3, 1, 2)]),
            ]),
        ["residual in residual"] =
            (new Shape(3), [new ResidualDefinition([new ResidualDefinition([new LinearDefinition(3)]), new ActivationDefinition(Activation.Sigmoid)])]),
    };

    public static TheoryData<string> Names => [.. Stacks.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradient_agrees_with_finite_differences(string name)
    {
        (int, int)[] leaves = [(0, 2), (2, 1), (5, 3)];
        const int rows = 6;
        var (input, layers) = Stacks[name];
        var run = new LayerRun(input, rows, layers);
        foreach (var slot in run.Model.Layout.Slots.Where(static slot => slot.Initial.Constant is not null))
        {
            var values = run.Parameter(slot.Name);
            for (var i = 0; i < values.Length; i++)
            {
                values[i] += 0.3f * MathF.Cbrt(i - 1.5f);
            }
        }

        var x = Apart(rows * run.InputColumns);
        var r = LayerRun.Numbers(rows * run.OutputColumns, 8);
        double Objective()
        {
            var sum = 0.0;
            foreach (var (value, weight) in run.Forward(x, training: true, leaves).Zip(r))
            {
                sum += (double)value * weight;
            }

            return sum;
        }

        Objective();
        var dx = run.Backward(r);
        var gradient = new double[run.Parameters.Length];
        foreach (var leaf in run.Gradients)
        {
            for (var i = 0; i < gradient.Length; i++)
            {
                gradient[i] += leaf.Span[i];
            }
        }

        for (var i = 0; i < x.Length; i++)
        {
            Check(dx[i], Difference(Objective, ref x[i]), $"{name}: dx[{i}]");
        }

        for (var i = 0; i < gradient.Length; i++)
        {
            Check(gradient[i], Difference(Objective, ref run.Parameters[i]), $"{name}: gradient of parameter {i}");
        }
    }

    private static double Difference(Func<double> objective, ref float place)
    {
        var start = place;
        Span<double> values = stackalloc double[4];
        foreach (var (i, steps) in (ReadOnlySpan<(int, int)>)[(0, -2), (1, -1), (2, 1), (3, 2)])
        {
            place = start + (steps * Step);
            values[i] = objective();
        }

        place = start;
        return ((8 * (values[2] - values[1])) - (values[3] - values[0])) / (12 * Step);
    }

    private static void Check(double analytic, double numeric, string what) =>
        Assert.True(Math.Abs(analytic - numeric) <= 2e-3 * Math.Max(1, Math.Abs(numeric)), $"{what} is {analytic:R}, differences give {numeric:R}");

    // Any two are at least 0.1 apart, so that no maximum changes within a difference.
    private static float[] Apart(int count)
    {
        var order = Enumerable.Range(0, count).ToArray();
        new System.Random(4).Shuffle(order);
        return Array.ConvertAll(order, place => (place - (count / 2)) * 0.1f);
    }
}
