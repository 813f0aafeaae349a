using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Operations;

/// <summary>y = max(x, 0), so dx = dy where y &gt; 0, else 0.</summary>
internal sealed class ReluOperation(Variable x, Variable y) : Operation
{
    public override void Forward(Pass pass) => ElementWise.Relu(y.Value(pass.Rows), x.Value(pass.Rows));

    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            ElementWise.ReluBackward(x.Gradient(pass.Rows), y.Gradient(pass.Rows), y.Value(pass.Rows));
        }
    }
}

/// <summary>y = tanh x, so dx = dy · (1 − y²).</summary>
internal sealed class TanhOperation(Variable x, Variable y) : Operation
{
    public override void Forward(Pass pass) => VectorMath.Tanh(y.Value(pass.Rows), x.Value(pass.Rows));

    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            ElementWise.TanhBackward(x.Gradient(pass.Rows), y.Gradient(pass.Rows), y.Value(pass.Rows));
        }
    }
}

/// <summary>y = 1 / (1 + e^−x), so dx = dy · y · (1 − y).</summary>
internal sealed class SigmoidOperation(Variable x, Variable y) : Operation
{
    public override void Forward(Pass pass) => VectorMath.Sigmoid(y.Value(pass.Rows), x.Value(pass.Rows));

    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            ElementWise.SigmoidBackward(x.Gradient(pass.Rows), y.Gradient(pass.Rows), y.Value(pass.Rows));
        }
    }
}
