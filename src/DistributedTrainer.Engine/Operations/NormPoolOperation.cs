using System.Runtime.InteropServices;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Operations;

/// <summary>
/// Batch normalisation of images, an activation f and max-pooling as one operation: y = the largest of f(γ · x̂ + β) in
/// each window. What lies between is computed again on the way back, plane by plane in the nearest cache, so in training
/// it is never written to memory; in evaluation f's output is, for those who look at it.
/// </summary>
/// <param name="x">Images (B,C,H,W).</param>
/// <param name="gamma">γ (C).</param>
/// <param name="beta">β (C).</param>
/// <param name="activated">f's output in evaluation (B,C,H,W).</param>
/// <param name="y">Results (B,C,OH,OW).</param>
/// <param name="slot">The batch-norm layer.</param>
/// <param name="function">f.</param>
/// <param name="shape">The windows.</param>
/// <param name="places">Room for the winners' places.</param>
internal sealed class NormPoolOperation<TActivation>(
    Variable x,
    ParameterSlot gamma,
    ParameterSlot beta,
    Variable activated,
    Variable y,
    BatchNormSlot slot,
    TActivation function,
    PoolingShape shape,
    Func<int, Span<float>> places)
    : BatchNormOperation(x, gamma, beta, y, slot), IElementWise
    where TActivation : struct, IActivation
{
    // From the output that evaluation keeps; the derivative does not read the input.
    public long AddExtremes(int rows, int places, Span<float> values, Span<float> slopes, float flat) =>
        UnitExtremes.Add(function, activated.Value(rows), activated.Value(rows), places, values, slopes, flat);

    protected override void Moments(ReadOnlySpan<float> values, Span<double> mean, Span<double> m2) =>
        ImageNormKernel.Moments(values, Slot.Positions, mean, m2);

    protected override void Normalize(Pass pass, LeafSegment rows, ReadOnlySpan<double> mean, ReadOnlySpan<float> inverseStd) => NormPoolKernel.Forward(
        function,
        shape,
        Rows(X.Value(pass.Rows), rows),
        Norms(pass, mean, inverseStd),
        pass.Training ? [] : Rows(activated.Value(pass.Rows), rows),
        Windows(Y.Value(pass.Rows), rows),
        Places(pass, rows));

    protected override void BackwardSums(
        Pass pass, LeafSegment rows, ReadOnlySpan<double> mean, ReadOnlySpan<float> inverseStd, Span<double> sumDy, Span<double> sumDyXhat) =>
        NormPoolKernel.BackwardSums(
            function,
            shape,
            Windows(Y.Gradient(pass.Rows), rows),
            Places(pass, rows),
            Rows(X.Value(pass.Rows), rows),
            Norms(pass, mean, inverseStd),
            sumDy,
            sumDyXhat);

    protected override void BackwardInput(
        Pass pass,
        LeafSegment rows,
        ReadOnlySpan<double> mean,
        ReadOnlySpan<float> inverseStd,
        ReadOnlySpan<double> sumDy,
        ReadOnlySpan<double> sumDyXhat,
        long count) => NormPoolKernel.BackwardInput(
        function,
        shape,
        Rows(X.Gradient(pass.Rows), rows),
        Windows(Y.Gradient(pass.Rows), rows),
        Places(pass, rows),
        Rows(X.Value(pass.Rows), rows),
        Norms(pass, mean, inverseStd),
        sumDy,
        sumDyXhat,
        count);

    private Span<float> Windows(Span<float> all, LeafSegment rows) => all.Slice(rows.FirstRow * Y.Columns, rows.Rows * Y.Columns);

    private Span<int> Places(Pass pass, LeafSegment rows) => MemoryMarshal.Cast<float, int>(Windows(places(pass.Rows), rows));
}
