using DistributedTrainer.Engine.Models;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>Numbers by which a person judges parameters and gradients. Nothing that is computed depends on them.</summary>
internal static class ModelDescription
{
    /// <summary>Parts of a tensor's range.</summary>
    public const int Bins = 24;

    // A message of the control plane stays far below its limit.
    private const int MostTensors = 128;

    // Enough for a picture: of larger tensors each n-th value is counted.
    private const int MostCounted = 65_536;

    /// <summary>Of each tensor, without the gradient.</summary>
    /// <param name="layout">Where they lie.</param>
    /// <param name="parameter">Has their values.</param>
    public static ParameterSummary[] Of(ParameterLayout layout, Func<ParameterSlot, ReadOnlySpan<float>> parameter)
    {
        var tensors = new ParameterSummary[Math.Min(MostTensors, layout.Slots.Count)];
        for (var i = 0; i < tensors.Length; i++)
        {
            var slot = layout.Slots[i];
            tensors[i] = Of(slot.Name, parameter(slot));
        }

        return tensors;
    }

    /// <summary>Norms of the mean gradient of a leaf, tensor by tensor.</summary>
    /// <param name="layout">Where they lie.</param>
    /// <param name="gradient">The flat vector, summed over rows.</param>
    /// <param name="rows">How many.</param>
    public static double[] Norms(ParameterLayout layout, ReadOnlySpan<float> gradient, int rows)
    {
        var norms = new double[Math.Min(MostTensors, layout.Slots.Count)];
        for (var i = 0; i < norms.Length; i++)
        {
            var slot = layout.Slots[i];
            norms[i] = Norm(gradient.Slice(slot.Offset, slot.Shape.Elements)) / Math.Max(1, rows);
        }

        return norms;
    }

    /// <summary>The same tensors with the norms of their gradients; null: there are none.</summary>
    public static ParameterSummary[] WithGradient(ParameterSummary[] tensors, double[]? norms) =>
        norms is null ? tensors : [.. tensors.Select((tensor, i) => tensor with { GradientNorm = norms[i] })];

    private static ParameterSummary Of(string name, ReadOnlySpan<float> values)
    {
        var (low, high, sum) = (double.PositiveInfinity, double.NegativeInfinity, 0.0);
        foreach (var value in values)
        {
            (low, high, sum) = (Math.Min(low, value), Math.Max(high, value), sum + value);
        }

        var counts = new int[Bins];
        var step = Math.Max(1, (values.Length + MostCounted - 1) / MostCounted);
        var scale = high > low ? Bins / (high - low) : 0;
        for (var i = 0; i < values.Length && double.IsFinite(scale); i += step)
        {
            counts[Math.Clamp((int)((values[i] - low) * scale), 0, Bins - 1)]++;
        }

        return new ParameterSummary(name, values.Length, low, high, sum / Math.Max(1, values.Length), Norm(values), null, counts);
    }

    private static double Norm(ReadOnlySpan<float> values)
    {
        var sum = 0.0;
        foreach (var value in values)
        {
            sum += (double)value * value;
        }

        return Math.Sqrt(sum);
    }
}
