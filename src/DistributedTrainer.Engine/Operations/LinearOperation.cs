using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Operations;

/// <summary>A fully connected layer. B rows, I inputs, O outputs.</summary>
internal sealed class LinearOperation(Variable x, ParameterSlot weight, ParameterSlot? bias, Variable y) : Operation
{
    // x(B,I) · wᵀ(I,O) + b(O) → y(B,O)
    public override void Forward(Pass pass)
    {
        var values = y.Value(pass.Rows);
        MatrixProduct.MultiplyByTransposed(x.Value(pass.Rows), weight.In(pass.Parameters), values, pass.Rows, y.Columns, x.Columns);
        if (bias is not null)
        {
            ElementWise.AddRowVector(values, bias.In(pass.Parameters));
        }
    }

    // dx(B,I) = dy(B,O) · w(O,I); for each leaf dw(O,I) = dyᵀ(O,B) · x(B,I), db(O) = Σ over its rows of dy
    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            MatrixProduct.Multiply(y.Gradient(pass.Rows), weight.In(pass.Parameters), x.Gradient(pass.Rows), pass.Rows, x.Columns, y.Columns);
        }

        for (var i = 0; i < pass.Segments.Length; i++)
        {
            var leaf = pass.Segments[i];
            var dy = y.Gradient(pass.Rows).Slice(leaf.FirstRow * y.Columns, leaf.Rows * y.Columns);
            var inputs = x.Value(pass.Rows).Slice(leaf.FirstRow * x.Columns, leaf.Rows * x.Columns);
            MatrixProduct.TransposedMultiply(dy, inputs, weight.In(pass.Gradients[i]), y.Columns, x.Columns, leaf.Rows);
            if (bias is not null)
            {
                ColumnReduction.Sum(dy, bias.In(pass.Gradients[i]));
            }
        }
    }
}
