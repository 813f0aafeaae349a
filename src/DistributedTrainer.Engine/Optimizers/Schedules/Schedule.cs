using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Optimizers.Schedules;

/// <summary>
/// The learning rate of each step: a pure function of the step, in float64 arithmetic that has the same bits on every
/// machine. η₀ is the rate that the experiment gives, s the step, from 0.
/// </summary>
public abstract record Schedule
{
    /// <summary>The rate of a step.</summary>
    /// <param name="initial">η₀.</param>
    /// <param name="step">s, from 0.</param>
    public abstract double Rate(double initial, long step);

    private protected static long AtLeast(long value, long lowest, string schedule, string name) => value >= lowest
        ? value
        : throw new ArgumentOutOfRangeException(name, $"schedule {schedule}: {name} is {value}, it must be at least {lowest}.");

    private protected static double Positive(double value, string schedule, string name) => value > 0 && double.IsFinite(value)
        ? value
        : throw new ArgumentOutOfRangeException(name, $"schedule {schedule}: {name} is {value}, it must be above 0.");

    private protected static double NotNegative(double value, string schedule, string name) => value >= 0 && double.IsFinite(value)
        ? value
        : throw new ArgumentOutOfRangeException(name, $"schedule {schedule}: {name} is {value}, it must be 0 or more.");
}

/// <summary>η₀ in every step.</summary>
public sealed record ConstantSchedule : Schedule
{
    /// <inheritdoc/>
    public override double Rate(double initial, long step) => initial;
}

/// <summary>η₀ · factor^⌊s / every⌋.</summary>
/// <param name="Every">Steps between changes, at least 1.</param>
/// <param name="Factor">Above 0.</param>
/// <exception cref="ArgumentOutOfRangeException">A parameter is not in its range.</exception>
public sealed record StepSchedule(long Every, double Factor) : Schedule
{
    /// <summary>Steps between changes.</summary>
    public long Every { get; } = AtLeast(Every, 1, "step", "every");

    /// <summary>What each change multiplies by.</summary>
    public double Factor { get; } = Positive(Factor, "step", "factor");

    /// <inheritdoc/>
    public override double Rate(double initial, long step) => initial * PortableMath.Power(Factor, step / Every);
}

/// <summary>η₀ · factor^s.</summary>
/// <param name="Factor">Above 0.</param>
/// <exception cref="ArgumentOutOfRangeException">The factor is not above 0.</exception>
public sealed record ExponentialSchedule(double Factor) : Schedule
{
    /// <summary>What each step multiplies by.</summary>
    public double Factor { get; } = Positive(Factor, "exponential", "factor");

    /// <inheritdoc/>
    public override double Rate(double initial, long step) => initial * PortableMath.Power(Factor, step);
}

/// <summary>η₀ / (1 + decay · s).</summary>
/// <param name="Decay">0 or more.</param>
/// <exception cref="ArgumentOutOfRangeException">The decay is negative.</exception>
public sealed record InverseTimeSchedule(double Decay) : Schedule
{
    /// <summary>Growth of the divisor in a step.</summary>
    public double Decay { get; } = NotNegative(Decay, "inverse-time", "decay");

    /// <inheritdoc/>
    public override double Rate(double initial, long step) => initial / (1 + (Decay * step));
}
