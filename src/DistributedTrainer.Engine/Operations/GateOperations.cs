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
