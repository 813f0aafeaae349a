using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Operations;

/// <summary>y = f(x) element by element, so dx = dy · f'(x). The functions are in Kernels/ActivationFunctions.cs.</summary>
internal sealed class ActivationOperation<TActivation>(TActivation function, Variable x, Variable y) : Operation, IElementWise
    where TActivation : struct, IActivation
{
    public long AddExtremes(int rows, int places, Span<float> values, Span<float> slopes, float flat) =>
        UnitExtremes.Add(function, x.Value(rows), y.Value(rows), places, values, slopes, flat);

    public override void Forward(Pass pass) => ActivationKernel.Forward(function, y.Value(pass.Rows), x.Value(pass.Rows));

    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            ActivationKernel.Backward(function, x.Gradient(pass.Rows), y.Gradient(pass.Rows), x.Value(pass.Rows), y.Value(pass.Rows));
        }
    }
}

/// <summary>
/// y = softmax(x) over the last dimension. The Jacobian of a row is diag(y) − y·yᵀ, so dx = y (dy − Σ dy·y); the matrix
/// itself is never there.
/// </summary>
internal sealed class SoftmaxOperation(Variable x, Variable y, int classes) : Operation
{
    public override void Forward(Pass pass) => SoftmaxKernel.Softmax(y.Value(pass.Rows), x.Value(pass.Rows), classes);

    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            SoftmaxKernel.SoftmaxBackward(x.Gradient(pass.Rows), y.Gradient(pass.Rows), y.Value(pass.Rows), classes);
        }
    }
}

/// <summary>
/// y = log softmax(x) over the last dimension. The Jacobian of a row is I − 1·pᵀ (transposed) with p = e^y, so
/// dx = dy − p Σ dy.
/// </summary>
internal sealed class LogSoftmaxOperation(Variable x, Variable y, int classes) : Operation
{
    public override void Forward(Pass pass) => SoftmaxKernel.LogSoftmax(y.Value(pass.Rows), x.Value(pass.Rows), classes);

    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            SoftmaxKernel.LogSoftmaxBackward(x.Gradient(pass.Rows), y.Gradient(pass.Rows), y.Value(pass.Rows), classes);
        }
    }
}
