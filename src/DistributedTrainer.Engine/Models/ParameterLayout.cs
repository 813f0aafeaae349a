using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Models;

/// <summary>A parameter's place in the flat vector.</summary>
/// <param name="Name">As in PyTorch's state_dict of the equal nn.Sequential, such as "0.weight".</param>
/// <param name="Offset">First element in the flat vector.</param>
/// <param name="Shape">Shape, row-major; weights are (outputs, inputs).</param>
/// <param name="Decays">Whether weight decay applies by default: to weights, not to biases or batch-norm parameters.</param>
/// <param name="Initial">How it starts.</param>
public sealed record ParameterSlot(string Name, int Offset, Shape Shape, bool Decays, InitialValue Initial)
{
    /// <summary>The parameter within a flat vector.</summary>
    public Span<float> In(AlignedBuffer flat) => flat.Span.Slice(Offset, Shape.Elements);
}

/// <summary>All parameters of a model in one flat vector, in layer order. Gradients, optimizer state and messages use the same offsets.</summary>
public sealed class ParameterLayout(IReadOnlyList<ParameterSlot> slots)
{
    /// <summary>The parameters, in order of their offsets.</summary>
    public IReadOnlyList<ParameterSlot> Slots { get; } = slots;

    /// <summary>Elements of the flat vector.</summary>
    public int Length { get; } = slots.Sum(static slot => slot.Shape.Elements);
}

/// <summary>One running statistic's place in the vector of buffers.</summary>
public sealed record BufferSlot(string Name, int Offset, Shape Shape, float Start);

/// <summary>What a model keeps beside its parameters: running means and variances, in layer order.</summary>
public sealed class BufferLayout(IReadOnlyList<BufferSlot> slots)
{
    /// <summary>The buffers, in order of their offsets.</summary>
    public IReadOnlyList<BufferSlot> Slots { get; } = slots;

    /// <summary>Elements of all buffers.</summary>
    public int Length { get; } = slots.Sum(static slot => slot.Shape.Elements);
}

/// <summary>A batch-norm layer of a model.</summary>
/// <param name="Index">Its number among the model's batch-norm layers, from 0.</param>
/// <param name="Channels">C.</param>
/// <param name="Sync">Statistics of the global batch, or of each leaf.</param>
/// <param name="Momentum">Weight of the new batch in the running statistics.</param>
/// <param name="Epsilon">Added to the variance.</param>
/// <param name="MeanOffset">Running mean within the buffers.</param>
/// <param name="VarianceOffset">Running variance within the buffers.</param>
/// <param name="Positions">Values of a channel in one row: 1 where rows are flat, height · width where they are images.</param>
public sealed record BatchNormSlot(
    int Index, int Channels, bool Sync, float Momentum, float Epsilon, int MeanOffset, int VarianceOffset, int Positions = 1);

/// <summary>Running statistics of batch normalisation.</summary>
public static class RunningStatistics
{
    /// <summary>running ← (1 − momentum) · running + momentum · batch, with the unbiased variance M2 / (count − 1).</summary>
    /// <param name="slot">Which layer.</param>
    /// <param name="buffers">All buffers of the model.</param>
    /// <param name="mean">Pooled means (C).</param>
    /// <param name="m2">Pooled sums of squared deviations (C).</param>
    /// <param name="count">Values behind each channel, rows · positions; with a single one the variance is left as it is.</param>
    public static void Update(BatchNormSlot slot, Span<float> buffers, ReadOnlySpan<double> mean, ReadOnlySpan<double> m2, long count)
    {
        double momentum = slot.Momentum;
        for (var c = 0; c < slot.Channels; c++)
        {
            ref var runningMean = ref buffers[slot.MeanOffset + c];
            ref var runningVariance = ref buffers[slot.VarianceOffset + c];
            runningMean = (float)(((1 - momentum) * runningMean) + (momentum * mean[c]));
            if (count > 1)
            {
                runningVariance = (float)(((1 - momentum) * runningVariance) + (momentum * (m2[c] / (count - 1))));
            }
        }
    }
}
