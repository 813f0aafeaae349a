using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Operations;

/// <summary>
/// An activation that is computed while a matrix product's result still lies in the nearest cache: forward with the
/// product that makes its input, backward with the product that makes its output's gradient, where that is one.
/// </summary>
internal abstract class FusedActivation : IElementWise
{
    private bool _takenOver;

    /// <summary>The reader of the output promises that the gradient it writes has gone through this activation.</summary>
    public void TakenOver() => _takenOver = true;

    /// <summary>y = f(x · wᵀ + b).</summary>
    public abstract void Forward(in LinearProduct product, ReadOnlySpan<float> bias);

    /// <summary>dz = (dy · w) · f'(z), from the output y of f.</summary>
    public abstract void BackwardInput(in LinearProduct product, ReadOnlySpan<float> output);

    /// <summary>dz = dy · f'(z) in place, unless the reader did it.</summary>
    public void Backward(Span<float> gradient, ReadOnlySpan<float> output)
    {
        if (!_takenOver)
        {
            Slope(gradient, output);
        }
    }

    /// <inheritdoc/>
    public abstract long AddExtremes(int rows, int places, Span<float> values, Span<float> slopes, float flat);

    /// <summary>dz = dy · f'(z) in place.</summary>
    protected abstract void Slope(Span<float> gradient, ReadOnlySpan<float> output);
}

/// <summary>A fused activation.</summary>
/// <param name="function">f, whose derivative is computed from its output alone.</param>
/// <param name="y">Its output.</param>
internal sealed class FusedActivation<TActivation>(TActivation function, Variable y) : FusedActivation
    where TActivation : struct, IActivation
{
    public override void Forward(in LinearProduct product, ReadOnlySpan<float> bias) => product.Forward(function, bias);

    public override void BackwardInput(in LinearProduct product, ReadOnlySpan<float> output) => product.BackwardInput(function, output);

    // The inputs were never stored, and the derivative does not read them.
    public override long AddExtremes(int rows, int places, Span<float> values, Span<float> slopes, float flat) =>
        UnitExtremes.Add(function, y.Value(rows), y.Value(rows), places, values, slopes, flat);

    protected override void Slope(Span<float> gradient, ReadOnlySpan<float> output) =>
        ActivationKernel.Backward(function, gradient, gradient, [], output);
}
