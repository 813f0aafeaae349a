namespace DistributedTrainer.Engine.Optimizers;

/// <summary>
/// Turns a summed gradient into new weights, element by element: callable on any range of the flat vector. State below
/// the smallest normal number becomes 0.
/// </summary>
public abstract class Optimizer
{
    /// <summary>How many state vectors it keeps, 0 to 2; they start at 0.</summary>
    public abstract int StateVectors { get; }

    /// <summary>One step on one range.</summary>
    /// <param name="step">Learning rate, rows, clipping and regularisation, which make g.</param>
    /// <param name="weights">Weights before.</param>
    /// <param name="gradientSum">Gradient summed over the rows of the global batch.</param>
    /// <param name="state0">First state vector, or empty.</param>
    /// <param name="state1">Second state vector, or empty.</param>
    /// <param name="updated">Weights after; may be the same span as <paramref name="weights"/>.</param>
    /// <exception cref="ArgumentException">Lengths differ, a state vector is missing, or there are no rows.</exception>
    public abstract void Update(
        in OptimizerStep step, ReadOnlySpan<float> weights, ReadOnlySpan<float> gradientSum, Span<float> state0, Span<float> state1, Span<float> updated);

    /// <summary>A factor from 0 to below 1, or an exception.</summary>
    private protected static float Factor(float value, string optimizer, string name) => value is >= 0 and < 1
        ? value
        : throw new ArgumentOutOfRangeException(name, $"{optimizer}: {name} is {value}, it must be from 0 to below 1.");

    /// <summary>A finite number above 0, or an exception.</summary>
    private protected static float Positive(float value, string optimizer, string name) => value > 0 && float.IsFinite(value)
        ? value
        : throw new ArgumentOutOfRangeException(name, $"{optimizer}: {name} is {value}, it must be above 0.");
}
