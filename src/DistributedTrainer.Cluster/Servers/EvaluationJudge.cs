using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Optimizers.Schedules;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// What follows from the evaluations so far. It goes from the lead partition to the workers with each verdict, and with
/// their pushes to every partition: so all of them know the same before they apply a step, without a message of its own.
/// </summary>
/// <param name="Reductions">How often reduce-on-plateau has lowered the learning rate.</param>
/// <param name="BestVersion">The version with the best validation metric so far; 0: none was evaluated.</param>
internal readonly record struct Verdict(int Reductions, long BestVersion)
{
    private const int ReductionBits = 16;

    /// <summary>Both numbers in one field of a frame.</summary>
    public long Packed => (BestVersion << ReductionBits) | (uint)Math.Min(Reductions, (1 << ReductionBits) - 1);

    public static Verdict Unpack(long packed) => new((int)(packed & ((1 << ReductionBits) - 1)), packed >> ReductionBits);
}

/// <summary>Judges evaluations in the order of their versions: plain numbers that are the same on every node.</summary>
internal sealed class EvaluationJudge(TrainingPlan plan)
{
    private PlateauState _plateau = PlateauState.Start;
    private double _best = double.PositiveInfinity;
    private long _bestVersion;
    private int _notBetter;

    /// <summary>What follows from the evaluations so far.</summary>
    public Verdict Verdict => new(_plateau.Reductions, _bestVersion);

    /// <summary>Whether the metric has not become better for as many evaluations as the patience allows.</summary>
    public bool Stops => plan.EarlyStopping is { } stopping && _notBetter >= stopping.Patience;

    /// <summary>All that it remembers, to be stored; setting it goes on from there.</summary>
    public Judgement Memory
    {
        get => new(Finite(_plateau.Best), _plateau.BadEvaluations, _plateau.CooldownLeft, _plateau.Reductions, Finite(_best), _bestVersion, _notBetter);
        set
        {
            _plateau = new PlateauState(value.PlateauBest ?? double.PositiveInfinity, value.PlateauBad, value.PlateauCooldown, value.Reductions);
            (_best, _bestVersion, _notBetter) = (value.Best ?? double.PositiveInfinity, value.BestVersion, value.NotBetter);
        }
    }

    /// <summary>Takes the next evaluation.</summary>
    public void Judge(long version, EvaluationSums sums)
    {
        if (sums.Validation.Rows == 0)
        {
            return;
        }

        var loss = sums.Validation.Loss / sums.Validation.Rows;
        _plateau = plan.Plateau?.After(_plateau, loss) ?? _plateau;
        var value = plan.EarlyStopping?.Metric == EarlyStoppingMetric.ValidationAccuracy ? -(double)sums.Validation.Correct / sums.Validation.Rows : loss;

        // A NaN is never better.
        if (value < _best)
        {
            (_best, _bestVersion, _notBetter) = (value, version, 0);
        }
        else
        {
            _notBetter++;
        }
    }

    // Infinity: there was none. It has no place in JSON.
    private static double? Finite(double best) => double.IsPositiveInfinity(best) ? null : best;
}
