using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Engine.Optimizers.Schedules;

/// <summary>
/// Multiplies the rate by a factor when the validation loss has stopped falling: η₀ · factor^reductions, not below the
/// minimum. An evaluation is better where its loss is below best · (1 − threshold); more than <c>patience</c> evaluations in
/// a row that are not better reduce the rate once. As PyTorch's ReduceLROnPlateau, mode min, relative threshold.
/// </summary>
/// <param name="Factor">Above 0 and below 1. Default 0.1.</param>
/// <param name="Patience">Evaluations that may fail to be better, 0 or more. Default 10.</param>
/// <param name="Threshold">What counts as better, from 0 to below 1. Default 1e-4.</param>
/// <param name="Cooldown">Evaluations after a reduction that are not counted, 0 or more. Default 0.</param>
/// <param name="Minimum">The lowest rate, 0 or more. Default 0.</param>
/// <exception cref="ArgumentOutOfRangeException">A parameter is not in its range.</exception>
public sealed record ReduceOnPlateau(double Factor = 0.1, int Patience = 10, double Threshold = 1e-4, int Cooldown = 0, double Minimum = 0)
{
    /// <summary>What a reduction multiplies by.</summary>
    public double Factor { get; } = Factor is > 0 and < 1 ? Factor : throw Range("factor", Factor, "above 0 and below 1");

    /// <summary>Evaluations that may fail to be better.</summary>
    public int Patience { get; } = Patience >= 0 ? Patience : throw Range("patience", Patience, "0 or more");

    /// <summary>What counts as better.</summary>
    public double Threshold { get; } = Threshold is >= 0 and < 1 ? Threshold : throw Range("threshold", Threshold, "from 0 to below 1");

    /// <summary>Evaluations after a reduction that are not counted.</summary>
    public int Cooldown { get; } = Cooldown >= 0 ? Cooldown : throw Range("cooldown", Cooldown, "0 or more");

    /// <summary>The lowest rate.</summary>
    public double Minimum { get; } = Minimum >= 0 && double.IsFinite(Minimum) ? Minimum : throw Range("minimum", Minimum, "0 or more");

    /// <summary>The state after one more evaluation. A NaN is never better.</summary>
    /// <param name="state">The state before; <see cref="PlateauState.Start"/> at first.</param>
    /// <param name="loss">The validation loss.</param>
    public PlateauState After(PlateauState state, double loss)
    {
        var better = loss < state.Best * (1 - Threshold);
        var cooling = state.CooldownLeft > 0;
        var (best, bad) = better ? (loss, 0) : (state.Best, state.BadEvaluations + 1);
        return cooling
            ? new PlateauState(best, 0, state.CooldownLeft - 1, state.Reductions)
            : bad > Patience
                ? new PlateauState(best, 0, Cooldown, state.Reductions + 1)
                : new PlateauState(best, bad, 0, state.Reductions);
    }

    /// <summary>The rate after so many reductions. A rate that starts below the minimum stays as it is.</summary>
    public double Rate(double initial, int reductions) =>
        Math.Max(initial * PortableMath.Power(Factor, (long)reductions), Math.Min(initial, Minimum));

    private static ArgumentOutOfRangeException Range(string name, double value, string allowed) =>
        new(name, $"schedule reduce-on-plateau: {name} is {value}, it must be {allowed}.");
}

/// <summary>What reduce-on-plateau remembers from one evaluation to the next; a value, so that it can travel and be stored.</summary>
/// <param name="Best">The lowest loss that counted as better.</param>
/// <param name="BadEvaluations">Evaluations in a row that were not better.</param>
/// <param name="CooldownLeft">Evaluations that are not counted yet.</param>
/// <param name="Reductions">Reductions so far.</param>
public readonly record struct PlateauState(double Best, int BadEvaluations, int CooldownLeft, int Reductions)
{
    /// <summary>Before the first evaluation.</summary>
    public static PlateauState Start => new(double.PositiveInfinity, 0, 0, 0);
}
