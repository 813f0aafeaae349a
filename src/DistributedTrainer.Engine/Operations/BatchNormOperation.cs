using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Operations;

/// <summary>
/// Batch normalisation of B rows and C columns, y = γ · x̂ + β, x̂ = (x − mean) / √(variance + ε). In training the
/// statistics are those of the whole global batch (sync) or of each leaf by itself; in evaluation the running ones.
/// Source: Ioffe, Szegedy, "Batch normalization", 2015.
/// </summary>
internal sealed class BatchNormOperation(
    Variable x, ParameterSlot gamma, ParameterSlot beta, Variable y, BatchNormSlot slot, Func<int, Span<float>> room) : Operation
{
    private readonly double[] _total = new double[2 * slot.Channels];
    private double[] _leaves = [];
    private float[] _inverseStd = new float[slot.Channels];
    private long _rows;

    public override void Forward(Pass pass)
    {
        if (!pass.Training)
        {
            Evaluate(pass);
            return;
        }

        var channels = slot.Channels;
        var segments = pass.Segments;
        Grow(segments.Length);
        var leaves = _leaves.AsSpan(0, segments.Length * 2 * channels);
        for (var i = 0; i < segments.Length; i++)
        {
            BatchNormKernel.Moments(Rows(x.Value(pass.Rows), segments[i]), Part(leaves, 2 * i), Part(leaves, (2 * i) + 1));
        }

        var exchange = pass.Exchange ?? throw new InvalidOperationException("batch-norm: training needs an exchange of statistics; pass a LocalExchange.");
        if (slot.Sync)
        {
            _rows = exchange.Forward(slot, segments, leaves, _total);
            Normalize(pass, new LeafSegment(0, 0, pass.Rows), Part(_total, 0), Part(_total, 1), _rows, 0);
            return;
        }

        exchange.Report(slot, segments, leaves);
        for (var i = 0; i < segments.Length; i++)
        {
            Normalize(pass, segments[i], Part(leaves, 2 * i), Part(leaves, (2 * i) + 1), segments[i].Rows, i);
        }
    }

    // For each leaf dβ(C) = Σ dy, dγ(C) = Σ dy · x̂; dx = γ / σ · (dy − mean of dy − x̂ · mean of dy · x̂), means over the same rows as forward
    public override void Backward(Pass pass)
    {
        var segments = pass.Segments;
        var leaves = _leaves.AsSpan(0, segments.Length * 2 * slot.Channels);
        for (var i = 0; i < segments.Length; i++)
        {
            var sumDy = Part(leaves, 2 * i);
            var sumDyXhat = Part(leaves, (2 * i) + 1);
            BatchNormKernel.BackwardSums(Rows(y.Gradient(pass.Rows), segments[i]), Rows(room(pass.Rows), segments[i]), sumDy, sumDyXhat);
            var dBeta = beta.In(pass.Gradients[i]);
            var dGamma = gamma.In(pass.Gradients[i]);
            for (var c = 0; c < slot.Channels; c++)
            {
                dBeta[c] = (float)sumDy[c];
                dGamma[c] = (float)sumDyXhat[c];
            }
        }

        if (slot.Sync)
        {
            // Asked for even where dx is not needed: other workers wait for these leaves.
            pass.Exchange!.Backward(slot, segments, leaves, _total);
            BackwardInput(pass, new LeafSegment(0, 0, pass.Rows), Part(_total, 0), Part(_total, 1), _rows, 0);
            return;
        }

        for (var i = 0; i < segments.Length; i++)
        {
            BackwardInput(pass, segments[i], Part(leaves, 2 * i), Part(leaves, (2 * i) + 1), segments[i].Rows, i);
        }
    }

    private void Evaluate(Pass pass)
    {
        Grow(1);
        var running = pass.Buffers.Span;
        for (var c = 0; c < slot.Channels; c++)
        {
            _total[c] = running[slot.MeanOffset + c];
            _inverseStd[c] = (float)(1 / Math.Sqrt((double)running[slot.VarianceOffset + c] + slot.Epsilon));
        }

        BatchNormKernel.Normalize(
            room(pass.Rows), y.Value(pass.Rows), x.Value(pass.Rows), Part(_total, 0), _inverseStd.AsSpan(0, slot.Channels), gamma.In(pass.Parameters), beta.In(pass.Parameters));
    }

    private void Normalize(Pass pass, LeafSegment rows, ReadOnlySpan<double> mean, ReadOnlySpan<double> m2, long count, int at)
    {
        var inverse = _inverseStd.AsSpan(at * slot.Channels, slot.Channels);
        for (var c = 0; c < inverse.Length; c++)
        {
            inverse[c] = (float)(1 / Math.Sqrt((m2[c] / count) + slot.Epsilon));
        }

        BatchNormKernel.Normalize(
            Rows(room(pass.Rows), rows), Rows(y.Value(pass.Rows), rows), Rows(x.Value(pass.Rows), rows), mean, inverse, gamma.In(pass.Parameters), beta.In(pass.Parameters));
    }

    private void BackwardInput(Pass pass, LeafSegment rows, ReadOnlySpan<double> sumDy, ReadOnlySpan<double> sumDyXhat, long count, int at)
    {
        if (x.NeedsGradient)
        {
            BatchNormKernel.BackwardInput(
                Rows(x.Gradient(pass.Rows), rows),
                Rows(y.Gradient(pass.Rows), rows),
                Rows(room(pass.Rows), rows),
                gamma.In(pass.Parameters),
                _inverseStd.AsSpan(at * slot.Channels, slot.Channels),
                sumDy,
                sumDyXhat,
                count);
        }
    }

    private Span<float> Rows(Span<float> all, LeafSegment rows) => all.Slice(rows.FirstRow * slot.Channels, rows.Rows * slot.Channels);

    private Span<double> Part(Span<double> values, int index) => values.Slice(index * slot.Channels, slot.Channels);

    private void Grow(int segments)
    {
        if (_leaves.Length < segments * 2 * slot.Channels)
        {
            _leaves = new double[segments * 2 * slot.Channels];
            _inverseStd = new float[segments * slot.Channels];
        }
    }
}
