using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Operations;

/// <summary>A convolution. B rows, C input channels of H × W, O output channels of OH × OW, kernel S × S.</summary>
internal sealed class ConvolutionOperation(Variable x, ParameterSlot weight, ParameterSlot? bias, Variable y, Convolution kernel) : Operation
{
    // w(O,C,S,S) ∗ x(B,C,H,W) + b(O) → y(B,O,OH,OW)
    public override void Forward(Pass pass) => kernel.Forward(
        x.Value(pass.Rows), pass.Parameter(weight), bias is null ? [] : pass.Parameter(bias), y.Value(pass.Rows), pass.Rows);

    // dx(c) = Σ_o dy(o) ∗ flipped w(o,c); for each leaf dw(o,c) = Σ over rows and positions of dy(o) · patch(c), db(o) = Σ dy(o)
    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            kernel.BackwardInput(y.Gradient(pass.Rows), pass.Parameter(weight), x.Gradient(pass.Rows), pass.Rows);
        }

        for (var i = 0; i < pass.Segments.Length; i++)
        {
            var leaf = pass.Segments[i];
            kernel.BackwardWeights(
                x.Value(pass.Rows).Slice(leaf.FirstRow * x.Columns, leaf.Rows * x.Columns),
                y.Gradient(pass.Rows).Slice(leaf.FirstRow * y.Columns, leaf.Rows * y.Columns),
                weight.In(pass.Gradients[i]),
                bias is null ? [] : bias.In(pass.Gradients[i]),
                leaf.Rows);
        }
    }
}
