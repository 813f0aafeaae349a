using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Layers;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Autograd;

/// <summary>
/// Backward is a product with the Jacobian that never builds the Jacobian (D3): here it is built, numerically, one input
/// after the other, and dx = Jᵀ · dy is compared for each unit vector dy (so each entry by itself) and for one full dy. The
/// same for each parameter, a vector by a vector or a matrix. Fourth-order differences, h = 1/32: 5e-4 · max(1, |entry|).
/// </summary>
public sealed class JacobianTests
{
    private const int Rows = 3;
    private const float Step = 1f / 32;

    private static readonly Dictionary<string, (Shape Input, LayerDefinition Layer)> Cases = new()
    {
        ["softmax"] = (new Shape(5), new ActivationDefinition(Activation.Softmax)),
        ["softmax over the last dimension"] = (new Shape(2, 3), new ActivationDefinition(Activation.Softmax)),
        ["log-softmax"] = (new Shape(5), new ActivationDefinition(Activation.LogSoftmax)),
        ["layer-norm"] = (new Shape(5), new LayerNormDefinition(0.1f)),
        ["batch-norm"] = (new Shape(2), new BatchNormDefinition(Epsilon: 0.1f)),
        ["batch-norm of images"] = (new Shape(2, 1, 2), new BatchNormDefinition(Epsilon: 0.1f)),
        ["linear"] = (new Shape(4), new LinearDefinition(3)),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Backward_is_the_product_with_the_numeric_Jacobian(string name)
    {
        var (input, layer) = Cases[name];
        var run = new LayerRun(input, Rows, layer);
        foreach (var (i, noise) in Numbers.Normal(run.Parameters.Length, 1, deviation: 0.3).Index())
        {
            run.Parameters[i] += noise;
        }

        var x = Numbers.Normal(Rows * run.InputColumns, 2);
        var byInput = new double[x.Length][];
        for (var i = 0; i < x.Length; i++)
        {
            byInput[i] = Column(run, x, ref x[i]);
        }

        var byParameter = new double[run.Parameters.Length][];
        for (var i = 0; i < byParameter.Length; i++)
        {
            byParameter[i] = Column(run, x, ref run.Parameters[i]);
        }

        var outputs = Rows * run.OutputColumns;
        for (var k = 0; k < outputs; k++)
        {
            var unit = new float[outputs];
            unit[k] = 1;
            Compare(run, x, unit, byInput, byParameter, $"{name}, row {k} of the Jacobian");
        }

        Compare(run, x, Numbers.Normal(outputs, 3), byInput, byParameter, $"{name}, all rows together");
    }

    private static void Compare(LayerRun run, float[] x, float[] dy, double[][] byInput, double[][] byParameter, string what)
    {
        run.Forward(x);
        var dx = run.Backward(dy);
        foreach (var (gradient, jacobian, by) in new[] { (dx, byInput, "input"), (run.Gradients[0].Span.ToArray(), byParameter, "parameter") })
        {
            Assert.Equal(jacobian.Length, gradient.Length);
            for (var i = 0; i < gradient.Length; i++)
            {
                var expected = jacobian[i].Zip(dy, static (entry, upstream) => entry * upstream).Sum();
                Assert.True(Math.Abs(gradient[i] - expected) <= 5e-4 * Math.Max(1, Math.Abs(expected)), $"{what}: the gradient by {by} {i} is {gradient[i]:R}, the Jacobian gives {expected:R}.");
            }
        }
    }

    // ∂y/∂place for all elements of y.
    private static double[] Column(LayerRun run, float[] x, ref float place)
    {
        var start = place;
        float[] At(ref float place, float value)
        {
            place = value;
            return run.Forward(x);
        }

        var (far, near) = (At(ref place, start + (2 * Step)), At(ref place, start + Step));
        var (nearBack, farBack) = (At(ref place, start - Step), At(ref place, start - (2 * Step)));
        place = start;
        return [.. Enumerable.Range(0, far.Length).Select(k => ((8 * ((double)near[k] - nearBack[k])) - ((double)far[k] - farBack[k])) / (12 * Step))];
    }
}
