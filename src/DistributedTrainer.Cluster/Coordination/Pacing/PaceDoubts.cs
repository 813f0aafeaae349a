using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination.Pacing;

/// <summary>Who may do better with fewer shards, though it is not sure: that is for a trial to show.</summary>
/// <param name="table">What is known of the workers' paces.</param>
/// <param name="rate">Steps a second under the current placement.</param>
internal sealed class PaceDoubts(PaceTable table, StepRate rate)
{
    // From here on a worker may be slow. Workers that are alike and wait for one another's core mostly differ by less.
    private const double Doubtful = 1.5;

    // Paces that differ by more are as good as infinity.
    private const double Slowest = 10_000;
    private const double Slower = 1.5;

    /// <summary>Grows while doubts whether a worker is slow are in vain.</summary>
    public Pause OfSlow { get; } = new();

    /// <summary>Grows while doubts about the last shards of a slow worker are in vain.</summary>
    public Pause OfLast { get; } = new();

    /// <summary>Workers that seem to be slow, by how much, and the paces to place them with.</summary>
    /// <param name="workers">Who may compute.</param>
    /// <param name="shards">Who computes what.</param>
    /// <param name="least">A pause that is shorter would cost too much.</param>
    /// <param name="now">Now.</param>
    public List<(WorkerId Worker, double Factor, double Pace)> Slow(IReadOnlyList<WorkerId> workers, ShardAssignment shards, TimeSpan least, TimeSpan now)
    {
        if (rate.Slices < PaceTrial.Enough || !OfSlow.IsOver(now, least))
        {
            return [];
        }

        var slow = table.UsuallyWaitedForAmong(table.Normal(workers)).Where(static one => one.Factor >= Doubtful).ToDictionary(static one => one.Worker, static one => one.Factor);
        if (slow.Count == 0)
        {
            return [];
        }

        if (shards.WouldMove(workers, table.PacesWith(slow)))
        {
            return [.. slow.Select(static one => (one.Key, one.Value, one.Value))];
        }

        // By their paces nothing is to be gained: but others may wait for the core of the slowest.
        var (slowest, factor) = slow.MaxBy(static one => one.Value);
        return PaceFor(slowest, table.Measured(slowest).Shards - 1, workers, shards) is { } pace ? [(slowest, factor, pace)] : [];
    }

    /// <summary>
    /// A slow worker that has some shards, and the pace by which it would have none. With none the run may do better: few may
    /// take it as long as many would, or take a core that others wait for.
    /// </summary>
    /// <param name="workers">Who may compute.</param>
    /// <param name="shards">Who computes what.</param>
    /// <param name="least">A pause that is shorter would cost too much.</param>
    /// <param name="now">Now.</param>
    public (WorkerId Worker, double Pace)? NeedsNone(IReadOnlyList<WorkerId> workers, ShardAssignment shards, TimeSpan least, TimeSpan now)
    {
        if (rate.Slices < PaceTrial.Enough || !OfLast.IsOver(now, least))
        {
            return null;
        }

        foreach (var worker in workers.Where(worker => table.Record(worker).IsSlow && table.Measured(worker).Shards > 0))
        {
            if (PaceFor(worker, 0, workers, shards) is { } pace)
            {
                return (worker, pace);
            }
        }

        return null;
    }

    /// <summary>The pace by which a worker has at most this many shards; null: there is none.</summary>
    private double? PaceFor(WorkerId worker, int most, IReadOnlyList<WorkerId> workers, ShardAssignment shards)
    {
        for (var pace = Math.Max(table.Record(worker).Pace, Doubtful); pace < Slowest; pace *= Slower)
        {
            var placed = shards.Copy();
            placed.Rebalance(workers, table.PacesWith([new(worker, pace)]));
            if (placed.ShardsOf(worker).Length <= most)
            {
                return pace;
            }
        }

        return null;
    }
}
