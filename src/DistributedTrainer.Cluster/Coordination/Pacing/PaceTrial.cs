using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination.Pacing;

/// <summary>
/// A placement that is judged by the steps that it gives, against those of the placement before, to which there is a way back.
/// What a worker's own clock says of its pace is a guess only: where workers are more than cores, those that wait for one
/// another's core look slow, and the one that is slow does not look it by as much.
/// </summary>
/// <param name="before">Who computed what.</param>
/// <param name="workers">Who may compute. With others nothing can be compared.</param>
/// <param name="records">What was held against those whom it is about.</param>
/// <param name="rate">Steps a second before.</param>
/// <param name="doubt">What grows if it is in vain, where somebody has less to do than before; null: somebody has more, which is a chance.</param>
internal sealed class PaceTrial(ShardAssignment before, IReadOnlyList<WorkerId> workers, Dictionary<WorkerId, SlowWorker> records, double rate, Pause? doubt)
{
    /// <summary>Slices that show what is plain.</summary>
    public const int Few = 4;

    /// <summary>Slices that a verdict needs.</summary>
    public const int Enough = 8;

    // What two measures of the same differ by.
    private const double Margin = 0.05;

    // The fewer slices, the more they have to differ by.
    private static readonly (int Slices, double Margin)[] Margins = [(2, 0.25), (Few, 0.1), (Enough, Margin)];

    /// <summary>Who computed what.</summary>
    public ShardAssignment Before => before;

    /// <summary>What was held against those whom it is about.</summary>
    public Dictionary<WorkerId, SlowWorker> Records => records;

    /// <summary>Steps a second before.</summary>
    public double Rate => rate;

    /// <summary>What grows if it is in vain; null: it is a chance.</summary>
    public Pause? Doubt => doubt;

    public bool IsAmong(IReadOnlyList<WorkerId> others) => workers.ToHashSet().SetEquals(others);

    /// <summary>Whether there are fewer steps than before, for sure.</summary>
    public bool IsWorse(StepRate now) => Margins.Any(one => now.Slices >= one.Slices && now.Latest() < (1 - one.Margin) * rate);

    /// <summary>Whether it is known that there are not more steps than before.</summary>
    public bool IsVain(StepRate now) => IsWorse(now) || (now.Slices >= Enough && now.Latest() < (1 + Margin) * rate);

    /// <summary>Whether all is known that there is to know.</summary>
    public static bool IsOver(StepRate now) => now.Slices >= Enough;
}
