using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Operations;

/// <summary>
/// Batch normalisation of B rows and C channels, y = γ · x̂ + β, x̂ = (x − mean) / √(variance + ε). In training the
/// statistics are those of the whole global batch (sync) or of each leaf by itself; in evaluation the running ones.
/// Source: Ioffe, Szegedy, "Batch normalization", 2015.
/// </summary>
internal abstract class BatchNormOperation(Variable x, ParameterSlot gamma, ParameterSlot beta, Variable y, BatchNormSlot slot) : Operation, IBatchMoments
{
    // A variance of all leaves is at most 2^122 + 2^120 where the means are below 2^60 and the variances of leaves below 2^120.
    private const double LargestMean = 1L << 60;

    private readonly double[] _total = new double[2 * slot.Channels];
    private double[] _leaves = [];
    private bool[] _small = [];
    private double[] _mean = new double[slot.Channels];
    private float[] _inverseStd = new float[slot.Channels];
    private long _count;

    /// <summary>Input.</summary>
    protected Variable X => x;

    /// <summary>Output.</summary>
    protected Variable Y => y;

    /// <summary>γ.</summary>
    protected ParameterSlot Gamma => gamma;

    /// <summary>β.</summary>
    protected ParameterSlot Beta => beta;

    /// <summary>The layer.</summary>
    public BatchNormSlot Slot => slot;

    public bool AreSmall(int leaf) => _small[leaf];

    public override void Forward(Pass pass)
    {
        if (!pass.Training)
        {
            Evaluate(pass);
            return;
        }

        var segments = pass.Segments;
        Grow(segments.Length);
        var leaves = _leaves.AsSpan(0, segments.Length * 2 * slot.Channels);
        for (var i = 0; i < segments.Length; i++)
        {
            Moments(Rows(x.Value(pass.Rows), segments[i]), Part(leaves, 2 * i), Part(leaves, (2 * i) + 1));
            _small[i] = AreSmall(Part(leaves, 2 * i), Part(leaves, (2 * i) + 1), Count(segments[i]));
        }

        var exchange = pass.Exchange ?? throw new InvalidOperationException("batch-norm: training needs an exchange of statistics; pass a LocalExchange.");
        if (slot.Sync)
        {
            _count = exchange.Forward(slot, segments, leaves, _total);
            Normalize(pass, new LeafSegment(0, 0, pass.Rows), Part(_total, 0), Part(_total, 1), _count, 0);
            return;
        }

        exchange.Report(slot, segments, leaves);
        for (var i = 0; i < segments.Length; i++)
        {
            Normalize(pass, segments[i], Part(leaves, 2 * i), Part(leaves, (2 * i) + 1), Count(segments[i]), i);
        }
    }

    // For each leaf dβ(C) = Σ dy, dγ(C) = Σ dy · x̂; dx = γ / σ · (dy − mean of dy − x̂ · mean of dy · x̂), means over the same numbers as forward
    public override void Backward(Pass pass)
    {
        var segments = pass.Segments;
        var leaves = _leaves.AsSpan(0, segments.Length * 2 * slot.Channels);
        for (var i = 0; i < segments.Length; i++)
        {
            var sumDy = Part(leaves, 2 * i);
            var sumDyXhat = Part(leaves, (2 * i) + 1);
            BackwardSums(pass, segments[i], Means(slot.Sync ? 0 : i), Inverses(slot.Sync ? 0 : i), sumDy, sumDyXhat);
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
            BackwardInput(pass, new LeafSegment(0, 0, pass.Rows), Part(_total, 0), Part(_total, 1), _count, 0);
            return;
        }

        for (var i = 0; i < segments.Length; i++)
        {
            BackwardInput(pass, segments[i], Part(leaves, 2 * i), Part(leaves, (2 * i) + 1), Count(segments[i]), i);
        }
    }

    /// <summary>Means and sums of squared deviations of the channels of some rows.</summary>
    protected abstract void Moments(ReadOnlySpan<float> values, Span<double> mean, Span<double> m2);

    /// <summary>y of some rows from their x.</summary>
    protected abstract void Normalize(Pass pass, LeafSegment rows, ReadOnlySpan<double> mean, ReadOnlySpan<float> inverseStd);

    /// <summary>Σ dy and Σ dy · x̂ of some rows.</summary>
    protected abstract void BackwardSums(
        Pass pass, LeafSegment rows, ReadOnlySpan<double> mean, ReadOnlySpan<float> inverseStd, Span<double> sumDy, Span<double> sumDyXhat);

    /// <summary>dx of some rows, by the sums over <paramref name="count"/> numbers of each channel.</summary>
    protected abstract void BackwardInput(
        Pass pass,
        LeafSegment rows,
        ReadOnlySpan<double> mean,
        ReadOnlySpan<float> inverseStd,
        ReadOnlySpan<double> sumDy,
        ReadOnlySpan<double> sumDyXhat,
        long count);

    /// <summary>Some rows of all.</summary>
    protected Span<float> Rows(Span<float> all, LeafSegment rows) => all.Slice(rows.FirstRow * x.Columns, rows.Rows * x.Columns);

    /// <summary>The channels by these statistics.</summary>
    protected ChannelNorms Norms(Pass pass, ReadOnlySpan<double> mean, ReadOnlySpan<float> inverseStd) =>
        new(mean, inverseStd, pass.Parameter(gamma), pass.Parameter(beta));

    private void Evaluate(Pass pass)
    {
        Grow(1);
        var running = pass.Buffers.Span;
        for (var c = 0; c < slot.Channels; c++)
        {
            _mean[c] = running[slot.MeanOffset + c];
            _inverseStd[c] = (float)(1 / Math.Sqrt((double)running[slot.VarianceOffset + c] + slot.Epsilon));
        }

        Normalize(pass, new LeafSegment(0, 0, pass.Rows), Means(0), Inverses(0));
    }

    private void Normalize(Pass pass, LeafSegment rows, ReadOnlySpan<double> mean, ReadOnlySpan<double> m2, long count, int at)
    {
        mean.CopyTo(_mean.AsSpan(at * slot.Channels));
        var inverse = _inverseStd.AsSpan(at * slot.Channels, slot.Channels);
        for (var c = 0; c < inverse.Length; c++)
        {
            inverse[c] = (float)(1 / Math.Sqrt((m2[c] / count) + slot.Epsilon));
        }

        Normalize(pass, rows, Means(at), inverse);
    }

    private void BackwardInput(Pass pass, LeafSegment rows, ReadOnlySpan<double> sumDy, ReadOnlySpan<double> sumDyXhat, long count, int at)
    {
        if (x.NeedsGradient)
        {
            BackwardInput(pass, rows, Means(at), Inverses(at), sumDy, sumDyXhat, count);
        }
    }

    // False for NaN.
    private static bool AreSmall(ReadOnlySpan<double> mean, ReadOnlySpan<double> m2, long count)
    {
        var small = true;
        for (var c = 0; c < mean.Length; c++)
        {
            small &= Math.Abs(mean[c]) < LargestMean && m2[c] < count * LargestMean * LargestMean;
        }

        return small;
    }

    private long Count(LeafSegment rows) => (long)rows.Rows * slot.Positions;

    private ReadOnlySpan<double> Means(int at) => _mean.AsSpan(at * slot.Channels, slot.Channels);

    private ReadOnlySpan<float> Inverses(int at) => _inverseStd.AsSpan(at * slot.Channels, slot.Channels);

    private Span<double> Part(Span<double> values, int index) => values.Slice(index * slot.Channels, slot.Channels);

    private void Grow(int segments)
    {
        if (_leaves.Length < segments * 2 * slot.Channels)
        {
            _leaves = new double[segments * 2 * slot.Channels];
            _small = new bool[segments];
            _mean = new double[segments * slot.Channels];
            _inverseStd = new float[segments * slot.Channels];
        }
    }
}

/// <summary>Batch normalisation of flat rows (B,C); keeps x̂ in the room.</summary>
internal sealed class FlatBatchNormOperation(
    Variable x, ParameterSlot gamma, ParameterSlot beta, Variable y, BatchNormSlot slot, Func<int, Span<float>> room)
    : BatchNormOperation(x, gamma, beta, y, slot)
{
    protected override void Moments(ReadOnlySpan<float> values, Span<double> mean, Span<double> m2) => BatchNormKernel.Moments(values, mean, m2);

    protected override void Normalize(Pass pass, LeafSegment rows, ReadOnlySpan<double> mean, ReadOnlySpan<float> inverseStd) => BatchNormKernel.Normalize(
        Rows(room(pass.Rows), rows), Rows(Y.Value(pass.Rows), rows), Rows(X.Value(pass.Rows), rows), mean, inverseStd, pass.Parameter(Gamma), pass.Parameter(Beta));

    protected override void BackwardSums(
        Pass pass, LeafSegment rows, ReadOnlySpan<double> mean, ReadOnlySpan<float> inverseStd, Span<double> sumDy, Span<double> sumDyXhat) =>
        BatchNormKernel.BackwardSums(Rows(Y.Gradient(pass.Rows), rows), Rows(room(pass.Rows), rows), sumDy, sumDyXhat);

    protected override void BackwardInput(
        Pass pass,
        LeafSegment rows,
        ReadOnlySpan<double> mean,
        ReadOnlySpan<float> inverseStd,
        ReadOnlySpan<double> sumDy,
        ReadOnlySpan<double> sumDyXhat,
        long count) => BatchNormKernel.BackwardInput(
        Rows(X.Gradient(pass.Rows), rows), Rows(Y.Gradient(pass.Rows), rows), Rows(room(pass.Rows), rows), pass.Parameter(Gamma), inverseStd, sumDy, sumDyXhat, count);
}

/// <summary>Batch normalisation of images (B,C,P), statistics over rows and positions, and an activation f: y = f(γ · x̂ + β).</summary>
internal sealed class ImageBatchNormOperation<TActivation>(
    Variable x, ParameterSlot gamma, ParameterSlot beta, Variable y, BatchNormSlot slot, TActivation function)
    : BatchNormOperation(x, gamma, beta, y, slot)
    where TActivation : struct, IActivation
{
    protected override void Moments(ReadOnlySpan<float> values, Span<double> mean, Span<double> m2) =>
        ImageNormKernel.Moments(values, Slot.Positions, mean, m2);

    protected override void Normalize(Pass pass, LeafSegment rows, ReadOnlySpan<double> mean, ReadOnlySpan<float> inverseStd) => ImageNormKernel.Normalize(
        function, Rows(Y.Value(pass.Rows), rows), Rows(X.Value(pass.Rows), rows), Slot.Positions, Norms(pass, mean, inverseStd));

    protected override void BackwardSums(
        Pass pass, LeafSegment rows, ReadOnlySpan<double> mean, ReadOnlySpan<float> inverseStd, Span<double> sumDy, Span<double> sumDyXhat) =>
        ImageNormKernel.BackwardSums(
            function, Rows(Y.Gradient(pass.Rows), rows), Rows(X.Value(pass.Rows), rows), Slot.Positions, Norms(pass, mean, inverseStd), sumDy, sumDyXhat);

    protected override void BackwardInput(
        Pass pass,
        LeafSegment rows,
        ReadOnlySpan<double> mean,
        ReadOnlySpan<float> inverseStd,
        ReadOnlySpan<double> sumDy,
        ReadOnlySpan<double> sumDyXhat,
        long count) => ImageNormKernel.BackwardInput(
        function,
        Rows(X.Gradient(pass.Rows), rows),
        Rows(Y.Gradient(pass.Rows), rows),
        Rows(X.Value(pass.Rows), rows),
        Slot.Positions,
        Norms(pass, mean, inverseStd),
        sumDy,
        sumDyXhat,
        count);
}
