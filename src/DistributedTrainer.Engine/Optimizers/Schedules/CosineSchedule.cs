using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Optimizers.Schedules;

/// <summary>
/// minimum + (η₀ − minimum) · (1 + cos(π s / steps)) / 2, and the minimum from step <c>steps</c> on.
/// Source: Loshchilov, Hutter, "SGDR", 2017, without restarts.
/// </summary>
/// <param name="Steps">Length of the half wave, at least 1.</param>
/// <param name="Minimum">The rate at its end, 0 or more. Default 0.</param>
/// <exception cref="ArgumentOutOfRangeException">A parameter is not in its range.</exception>
public sealed record CosineSchedule(long Steps, double Minimum = 0) : Schedule
{
    /// <summary>Length of the half wave.</summary>
    public long Steps { get; } = AtLeast(Steps, 1, "cosine", "steps");

    /// <summary>The rate at its end.</summary>
    public double Minimum { get; } = NotNegative(Minimum, "cosine", "minimum");

    /// <inheritdoc/>
    public override double Rate(double initial, long step) => HalfWave(initial, Minimum, step, Steps);

    internal static double HalfWave(double initial, double minimum, long step, long steps) => step >= steps
        ? minimum
        : minimum + ((initial - minimum) * (1 + PortableMath.CosPi((double)step / steps)) / 2);
}

/// <summary>
/// η₀ (s + 1) / warmup for the first <c>warmup</c> steps, then a half cosine wave down to the minimum at step <c>steps</c>.
/// Source: Goyal et al., "Accurate, large minibatch SGD", 2017 (the warm-up).
/// </summary>
/// <param name="Warmup">Steps of the rise, 0 or more.</param>
/// <param name="Steps">Where the minimum is reached, above <paramref name="Warmup"/>.</param>
/// <param name="Minimum">The rate at the end, 0 or more. Default 0.</param>
/// <exception cref="ArgumentOutOfRangeException">A parameter is not in its range.</exception>
public sealed record WarmupCosineSchedule(long Warmup, long Steps, double Minimum = 0) : Schedule
{
    /// <summary>Steps of the rise.</summary>
    public long Warmup { get; } = AtLeast(Warmup, 0, "warmup-cosine", "warmup");

    /// <summary>Where the minimum is reached.</summary>
    public long Steps { get; } = AtLeast(Steps, Warmup + 1, "warmup-cosine", "steps");

    /// <summary>The rate at the end.</summary>
    public double Minimum { get; } = NotNegative(Minimum, "warmup-cosine", "minimum");

    /// <inheritdoc/>
    public override double Rate(double initial, long step) => step < Warmup
        ? initial * (step + 1) / Warmup
        : CosineSchedule.HalfWave(initial, Minimum, step - Warmup, Steps - Warmup);
}
