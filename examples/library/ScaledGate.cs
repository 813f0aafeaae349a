using DistributedTrainer.Engine.Extensions;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Tensors;

/// <summary>y = x · σ(β a x), with an a for each column that is learned.</summary>
/// <param name="Beta">β, above 0.</param>
[ExtensionName("scaled-gate")]
public sealed record ScaledGate(float Beta = 1) : CustomLayer
{
    protected override Shape Declare(LayerDeclaration layer, Shape input)
    {
        if (!(Beta > 0))
        {
            throw new ArgumentException($"scaled-gate (layer {layer.Layer}): beta is {Beta}, it must be above 0.");
        }

        layer.Parameter("slope", input, start: 1);
        layer.Keep("gate", input.Elements);
        return input;
    }

    protected override void Forward(in LayerForward pass)
    {
        var slope = pass.Parameter("slope");
        var gate = pass.Kept("gate");
        for (var i = 0; i < pass.X.Length; i++)
        {
            gate[i] = 1 / (1 + MathF.Exp(-Beta * slope[i % slope.Length] * pass.X[i]));
            pass.Y[i] = pass.X[i] * gate[i];
        }
    }

    // g = σ(β a x): dx = dy (g + β a x g (1 − g)), da = Σ dy β x² g (1 − g)
    protected override void Backward(in LayerBackward pass)
    {
        var slope = pass.Parameter("slope");
        var gate = pass.Kept("gate");
        var gradient = pass.Gradient("slope");
        for (var i = 0; i < pass.X.Length; i++)
        {
            var bend = Beta * pass.X[i] * gate[i] * (1 - gate[i]);
            pass.Dx[i] = pass.Dy[i] * (gate[i] + (slope[i % slope.Length] * bend));
            gradient[i % slope.Length] += pass.Dy[i] * pass.X[i] * bend;
        }
    }
}
