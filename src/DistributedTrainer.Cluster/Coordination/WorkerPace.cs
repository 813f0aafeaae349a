using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// How fast one worker is with the shards that it has: the time that a step takes it itself, by its own clock on the wall, so
/// that a process that is stopped now and then counts as slow. Two observations are kept: what both show is no accident.
/// </summary>
internal sealed class WorkerPace
{
    // A worker's first second of steps: code is being compiled.
    private const long Warm = 1_000_000;

    // A shorter observation (statuses that came late, and together) says little.
    private const long Short = 300_000;

    private StepCosts? _from;
    private (double Own, double Share)? _latest;
    private (double Own, double Share)? _before;

    /// <summary>Shards that it has.</summary>
    public int Shards { get; private set; }

    // Those that one of its threads computes one after the other, at most.
    private int InARow { get; set; }

    /// <summary>Microseconds of a step of its own, as observed last; null: not observed since it was assigned.</summary>
    public double? Own => _latest?.Own;

    /// <summary>As above, but perhaps with other shards.</summary>
    public double? OwnSoFar { get; private set; }

    /// <summary>The lower of two observations; null: there are no two.</summary>
    public double? Least => _before is { } before ? Math.Min(before.Own, _latest!.Value.Own) : null;

    /// <summary>The higher of two observations.</summary>
    public double? Most => _before is { } before ? Math.Max(before.Own, _latest!.Value.Own) : null;

    /// <summary>As above, of a thread for a shard.</summary>
    public double? LeastOfShard => Least / InARow;

    /// <summary>As above, for a shard.</summary>
    public double? MostOfShard => Most / InARow;

    /// <summary>Whether most of the time of its steps is its own: others wait for it, not it for others or for the servers.</summary>
    public bool IsBusy => _latest is { Share: > 0.5 } && _before is null or { Share: > 0.5 };

    /// <summary>An assignment begins: what was observed belongs to another one.</summary>
    public void Assigned(int shards, int threads = 1)
    {
        if (Shards > 0)
        {
            // A step of before may have cost something since. Who had nothing to do had no costs.
            _from = null;
        }

        (Shards, InARow, _latest, _before) = (shards, (shards + threads - 1) / threads, null, null);
    }

    public void Heard(StepCosts costs)
    {
        if (_from is not { } from || All(costs) < Warm || costs.Steps < from.Steps)
        {
            _from = costs;
            return;
        }

        var (steps, all) = (costs.Steps - from.Steps, All(costs) - All(from));
        if (steps > 0 && all >= Short)
        {
            var own = all - (costs.Waiting - from.Waiting);
            (_before, _latest) = (_latest, ((double)own / steps, (double)own / all));
            (_from, OwnSoFar) = (costs, Own);
        }
    }

    private static long All(StepCosts costs) => costs.Computing + costs.Pushing + costs.Waiting + costs.Copying;
}
