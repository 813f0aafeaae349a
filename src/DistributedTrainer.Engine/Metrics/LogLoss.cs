using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Metrics;

/// <summary>
/// Mean over the rows of −log p, p the probability that was given to the right class; summed in float64 in the order of
/// the rows. A probability below <see cref="Lowest"/> counts as that, so that a single row of probability 0 does not make
/// everything infinite. 0 without rows. Source: Good, "Rational decisions", 1952.
/// </summary>
public sealed class LogLoss
{
    /// <summary>2^−23, the step of float32 at 1: also what scikit-learn takes for float32.</summary>
    public const double Lowest = 1.0 / (1 << 23);

    private double _sum;

    /// <summary>Rows so far.</summary>
    public long Rows { get; private set; }

    /// <summary>The mean so far.</summary>
    public double Value => Rows == 0 ? 0 : _sum / Rows;

    /// <summary>One more row.</summary>
    /// <param name="probabilities">Of each class (C), summing to 1.</param>
    /// <param name="label">The right class.</param>
    /// <exception cref="ArgumentException">The label is no class, or its probability is not from 0 to 1 (with 1e-5 for rounding).</exception>
    public void Add(ReadOnlySpan<float> probabilities, int label)
    {
        if ((uint)label >= (uint)probabilities.Length)
        {
            throw new ArgumentException($"log loss: the label of row {Rows} is {label}, it must be from 0 to {probabilities.Length - 1}.", nameof(label));
        }

        double p = probabilities[label];
        if (!(p >= 0 && p <= 1 + 1e-5))
        {
            throw new ArgumentException($"log loss: class {label} of row {Rows} has probability {p}, it must be from 0 to 1.", nameof(probabilities));
        }

        _sum -= PortableMath.Log(Math.Clamp(p, Lowest, 1));
        Rows++;
    }
}
