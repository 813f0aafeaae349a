namespace DistributedTrainer.Engine.Optimizers;

/// <summary>Turns a summed gradient into new weights, element by element: callable on any range of the flat vector.</summary>
public abstract class Optimizer
{
    /// <summary>How many state vectors it keeps, 0 to 2; they start at 0.</summary>
    public abstract int StateVectors { get; }

    /// <summary>One step on one range; g = gradientSum / count + weightDecay · w.</summary>
    /// <param name="step">The step, from 0.</param>
    /// <param name="learningRate">η.</param>
    /// <param name="weights">Weights before.</param>
    /// <param name="gradientSum">Gradient summed over the rows of the global batch.</param>
    /// <param name="count">Those rows.</param>
    /// <param name="weightDecay">λ of the L2 penalty λ/2 ‖w‖².</param>
    /// <param name="state0">First state vector, or empty.</param>
    /// <param name="state1">Second state vector, or empty.</param>
    /// <param name="updated">Weights after; may be the same span as <paramref name="weights"/>.</param>
    public abstract void Update(
        long step,
        float learningRate,
        ReadOnlySpan<float> weights,
        ReadOnlySpan<float> gradientSum,
        long count,
        float weightDecay,
        Span<float> state0,
        Span<float> state1,
        Span<float> updated);
}
