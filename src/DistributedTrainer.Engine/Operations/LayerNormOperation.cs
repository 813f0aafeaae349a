using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Operations;

/// <summary>
/// Layer normalisation of B rows and D columns, y = γ · x̂ + β, x̂ = (x − mean) / √(variance + ε) by the row's own
/// statistics. Source: Ba, Kiros, Hinton, "Layer normalization", 2016.
/// </summary>
internal sealed class LayerNormOperation(
    Variable x, ParameterSlot gamma, ParameterSlot beta, Variable y, Func<int, Span<float>> xhat, Func<int, Span<float>> inverseStd, float epsilon) : Operation
{
    private readonly double[] _sums = new double[2 * x.Columns];

    public override void Forward(Pass pass) => LayerNormKernel.Forward(
        xhat(pass.Rows), inverseStd(pass.Rows), y.Value(pass.Rows), x.Value(pass.Rows), pass.Parameter(gamma), pass.Parameter(beta), epsilon);

    // For each leaf dβ(D) = Σ dy, dγ(D) = Σ dy · x̂ over its rows; dx as in the kernel
    public override void Backward(Pass pass)
    {
        if (x.NeedsGradient)
        {
            LayerNormKernel.BackwardInput(x.Gradient(pass.Rows), y.Gradient(pass.Rows), xhat(pass.Rows), inverseStd(pass.Rows), pass.Parameter(gamma));
        }

        var sumDy = _sums.AsSpan(0, x.Columns);
        var sumDyXhat = _sums.AsSpan(x.Columns);
        for (var i = 0; i < pass.Segments.Length; i++)
        {
            var (first, length) = (pass.Segments[i].FirstRow * x.Columns, pass.Segments[i].Rows * x.Columns);
            BatchNormKernel.BackwardSums(y.Gradient(pass.Rows).Slice(first, length), xhat(pass.Rows).Slice(first, length), sumDy, sumDyXhat);
            var dBeta = beta.In(pass.Gradients[i]);
            var dGamma = gamma.In(pass.Gradients[i]);
            for (var c = 0; c < sumDy.Length; c++)
            {
                dBeta[c] = (float)sumDy[c];
                dGamma[c] = (float)sumDyXhat[c];
            }
        }
    }
}
