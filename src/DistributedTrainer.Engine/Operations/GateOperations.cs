using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Operations;

/// <summary>z = x + y: distributes, dx = dz and dy = dz.</summary>
internal sealed class AddOperation(Variable x, Variable y, Variable z) : Operation
{
    public override void Forward(Pass pass) => ElementWise.Add(z.Value(pass.Rows), x.Value(pass.Rows), y.Value(pass.Rows));

    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            z.Gradient(pass.Rows).CopyTo(x.Gradient(pass.Rows));
        }

        if (y.NeedsGradient)
        {
            z.Gradient(pass.Rows).CopyTo(y.Gradient(pass.Rows));
        }
    }
}

/// <summary>Two values of one: y = x and z = x, so dx = dy + dz.</summary>
internal sealed class CopyOperation(Variable x, Variable y, Variable z) : Operation
{
    public override void Forward(Pass pass)
    {
        x.Value(pass.Rows).CopyTo(y.Value(pass.Rows));
        x.Value(pass.Rows).CopyTo(z.Value(pass.Rows));
    }

    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            ElementWise.Add(x.Gradient(pass.Rows), y.Gradient(pass.Rows), z.Gradient(pass.Rows));
        }
    }
}

/// <summary>z = x · y, element by element: swaps, dx = dz · y and dy = dz · x.</summary>
internal sealed class MultiplyOperation(Variable x, Variable y, Variable z) : Operation
{
    public override void Forward(Pass pass) => ElementWise.Multiply(z.Value(pass.Rows), x.Value(pass.Rows), y.Value(pass.Rows));

    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            ElementWise.Multiply(x.Gradient(pass.Rows), z.Gradient(pass.Rows), y.Value(pass.Rows));
        }

        if (y.NeedsGradient)
        {
            ElementWise.Multiply(y.Gradient(pass.Rows), z.Gradient(pass.Rows), x.Value(pass.Rows));
        }
    }
}

/// <summary>z = max(x, y), element by element: routes, dz goes to the larger one, to x of equals; the other gets 0.</summary>
internal sealed class MaxOperation(Variable x, Variable y, Variable z) : Operation
{
    public override void Forward(Pass pass) => ElementWise.Max(z.Value(pass.Rows), x.Value(pass.Rows), y.Value(pass.Rows));

    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            ElementWise.MaxBackward(x.Gradient(pass.Rows), z.Gradient(pass.Rows), x.Value(pass.Rows), y.Value(pass.Rows), winsTies: true);
        }

        if (y.NeedsGradient)
        {
            ElementWise.MaxBackward(y.Gradient(pass.Rows), z.Gradient(pass.Rows), y.Value(pass.Rows), x.Value(pass.Rows), winsTies: false);
        }
    }
}
