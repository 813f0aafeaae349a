using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Optimizers.Schedules;

/// <summary>
/// low · (high / low)^(s / (steps − 1)): the learning-rate range test, in which the rate grows by the same factor each
/// step and the loss shows where it becomes too large. η₀ is not read; from the last step on the rate is high.
/// Source: Smith, "Cyclical learning rates", 2017.
/// </summary>
/// <param name="Low">The rate of step 0, above 0.</param>
/// <param name="High">The rate of step <paramref name="Steps"/> − 1, above <paramref name="Low"/>.</param>
/// <param name="Steps">At least 2.</param>
/// <exception cref="ArgumentOutOfRangeException">A parameter is not in its range.</exception>
public sealed record RangeTestSchedule(double Low, double High, long Steps) : Schedule
{
    /// <summary>The rate of step 0.</summary>
    public double Low { get; } = Positive(Low, "range-test", "low");

    /// <summary>The rate of the last step.</summary>
    public double High { get; } = High > Low && double.IsFinite(High)
        ? High
        : throw new ArgumentOutOfRangeException(nameof(High), $"schedule range-test: high is {High}, it must be above low, {Low}.");

    /// <summary>Steps from low to high.</summary>
    public long Steps { get; } = AtLeast(Steps, 2, "range-test", "steps");

    /// <inheritdoc/>
    public override double Rate(double initial, long step) => step >= Steps - 1
        ? High
        : Low * PortableMath.Power(High / Low, (double)step / (Steps - 1));
}
