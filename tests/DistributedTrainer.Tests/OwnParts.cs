using DistributedTrainer.Engine.Extensions;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Tests;

/// <summary>y = x · σ(β a x) with a learned a a column: needs parameters, kept values and settings.</summary>
[ExtensionName("test-gate")]
public sealed record TestGate(float Beta = 1, TestStart Start = TestStart.One) : CustomLayer
{
    protected override Shape Declare(LayerDeclaration layer, Shape input)
    {
        if (!(Beta > 0))
        {
            throw new ArgumentException($"test-gate (layer {layer.Layer}): beta is {Beta}, it must be above 0.");
        }

        layer.Parameter("slope", input, Start == TestStart.One ? 1 : 0.5f);
        layer.Keep("gate", input.Elements);
        return input;
    }

    protected override void Forward(in LayerForward pass)
    {
        TestPace.Compute();
        var slope = pass.Parameter("slope");
        var gate = pass.Kept("gate");
        for (var i = 0; i < pass.X.Length; i++)
        {
            gate[i] = 1 / (1 + MathF.Exp(-Beta * slope[i % slope.Length] * pass.X[i]));
            pass.Y[i] = pass.X[i] * gate[i];
        }
    }

    // dx = dy (g + x g (1 − g) β a), da = Σ dy x² g (1 − g) β
    protected override void Backward(in LayerBackward pass)
    {
        var slope = pass.Parameter("slope");
        var gate = pass.Kept("gate");
        var gradient = pass.Gradient("slope");
        for (var i = 0; i < pass.X.Length; i++)
        {
            var bend = pass.X[i] * gate[i] * (1 - gate[i]) * Beta;
            pass.Dx[i] = pass.Dy[i] * (gate[i] + (bend * slope[i % slope.Length]));
            gradient[i % slope.Length] += pass.Dy[i] * pass.X[i] * bend;
        }
    }
}

public enum TestStart
{
    One,
    OneHalf,
}

/// <summary>max(τ (t − z), (τ − 1)(t − z)).</summary>
[ExtensionName("test-quantile")]
public sealed class TestQuantile(double tau = 0.5) : CustomLoss
{
    public double Tau => tau;

    public override LossTargets Targets => LossTargets.Values;

    protected override float Row(ReadOnlySpan<float> z, int label, ReadOnlySpan<float> t, Span<float> dz)
    {
        var e = t[0] - z[0];
        var slope = (float)(e > 0 ? tau : tau - 1);
        dz[0] = -slope;
        return slope * e;
    }
}

/// <summary>Lets a test make a run last.</summary>
internal static class TestPace
{
    public static volatile bool IsSlow;

    public static void Compute()
    {
        if (IsSlow)
        {
            Thread.Sleep(5);
        }
    }
}
