using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>Numbers by which a person judges parameters. Nothing that is computed depends on them.</summary>
internal static class ModelDescription
{
    /// <summary>Parts of a tensor's range.</summary>
    public const int Bins = 24;

    // Enough for a picture: of larger tensors each n-th value is counted.
    private const int MostCounted = 65_536;

    /// <summary>Of each tensor that is described.</summary>
    /// <param name="plan">Which they are.</param>
    /// <param name="parameter">Has their values.</param>
    public static ParameterSummary[] Of(TrainingPlan plan, Func<ParameterSlot, ReadOnlySpan<float>> parameter)
    {
        var tensors = new ParameterSummary[plan.DescribedTensors];
        for (var i = 0; i < tensors.Length; i++)
        {
            var slot = plan.Model.Layout.Slots[i];
            tensors[i] = Of(slot.Name, parameter(slot));
        }

        return tensors;
    }

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

        return new ParameterSummary(name, values.Length, low, high, sum / Math.Max(1, values.Length), Norm(values), counts);
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
