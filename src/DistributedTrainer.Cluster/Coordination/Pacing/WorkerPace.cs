using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination.Pacing;

/// <summary>
/// How fast one worker is with the shards that it has: the time that a step takes it itself, by its own clock on the wall, so
/// that a process that is stopped now and then counts as slow. What two observations show is no accident; what some seconds
/// show together is worth a trial.
/// </summary>
internal sealed class WorkerPace
{
    // A worker's first second of steps: code is being compiled.
    private const long Warm = 1_000_000;

    // A shorter observation (statuses that came late, and together) says little.
    private const long Short = 300_000;

    // Observations that make up what is usual: three seconds.
    private const int Usually = 6;
    private const int FewOfThem = 4;

    private readonly Queue<(double Own, double Share)> _observed = new();
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

    /// <summary>Microseconds of a step of its own that most observations of some seconds exceed or reach; null: there are few.</summary>
    public double? Usual => Median(static one => one.Own);

    /// <summary>As above, of a thread for a shard.</summary>
    public double? UsualOfShard => Usual / InARow;

    /// <summary>Whether most of the time of its steps was its own in most observations of some seconds.</summary>
    public bool IsUsuallyBusy => Median(static one => one.Share) > 0.5;

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

        _observed.Clear();
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
            _observed.Enqueue(_latest.Value);
            if (_observed.Count > Usually)
            {
                _observed.Dequeue();
            }
        }
    }

    private double? Median(Func<(double Own, double Share), double> of) =>
        _observed.Count >= FewOfThem ? _observed.Select(of).Order().ElementAt((_observed.Count - 1) / 2) : null;

    private static long All(StepCosts costs) => costs.Computing + costs.Pushing + costs.Waiting + costs.Copying;
}
