using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination.Pacing;

/// <summary>
/// Watches how fast the workers are, and says when work should move: away from one that the others wait for, and back when
/// it is fast again. What is sure moves at once; what is not is tried (<see cref="PaceTrials"/>). Each move costs a generation,
/// so that small and short differences move nothing, and who was slow gets its chances ever more rarely. Fed with statuses and
/// steps; time is given, never asked for.
/// </summary>
internal sealed class PaceWatch
{
    // From here on a worker is slow for sure: what else runs on a busy machine makes differences of 2.
    private const double Sure = 2.75;

    // A slow worker that others wait for all the same is slower than was thought, by this at least.
    private const double Slower = 1.5;

    // Longer than several ticks: whoever looks was stopped itself, and knows nothing of what happened meanwhile.
    private static readonly TimeSpan Gap = TimeSpan.FromSeconds(1);

    private readonly PaceTable _table = new();
    private readonly StepRate _rate = new();
    private readonly bool _moves;
    private readonly StandstillWatch _standstill;
    private readonly PaceTrials _trials;
    private TimeSpan? _lookedAt;

    /// <param name="moves">Whether work moves for speed at all. If not, there is news of frozen workers only.</param>
    /// <param name="stepsAtOnce">Steps from one version to the next.</param>
    public PaceWatch(bool moves = true, int stepsAtOnce = 1)
    {
        (_moves, _standstill) = (moves, new StandstillWatch(stepsAtOnce));
        _trials = new PaceTrials(_table, _standstill, _rate);
    }

    /// <summary>Of all that are slow: time of a thread for a shard, relative to the others.</summary>
    public IReadOnlyDictionary<WorkerId, double> Paces => _table.Paces;

    /// <summary>Who is to have one shard although it would have none by its pace.</summary>
    public WorkerId? Probe => _trials.Probe;

    /// <summary>A worker reports.</summary>
    public void Heard(WorkerId worker, StepCosts costs, TimeSpan now)
    {
        _table.Measured(worker).Heard(costs);
        _standstill.Heard(worker, now);
    }

    /// <summary>Steps were applied, up to this version; or that is told again.</summary>
    public void Applied(long version, TimeSpan now)
    {
        _standstill.Applied(version, now);
        _rate.Applied(version, now);
    }

    /// <summary>This version was evaluated; or that is told again.</summary>
    public void Evaluated(long version, TimeSpan now) => _standstill.Evaluated(version, now);

    /// <summary>Places the shards by all that is known; then steps go on.</summary>
    /// <param name="workers">Who may compute.</param>
    /// <param name="shards">Who computed what.</param>
    /// <param name="now">Now.</param>
    public void Place(IReadOnlyList<WorkerId> workers, ShardAssignment shards, TimeSpan now)
    {
        _trials.Placing(workers, shards, now);
        shards.Rebalance(workers, Paces, Probe);
        foreach (var worker in workers)
        {
            _table.Measured(worker).Assigned(shards.ShardsOf(worker).Length, shards.ThreadsOf(worker));
        }

        _standstill.Begin(now);
        _rate.Begin();
        _lookedAt = now;
    }

    /// <summary>Whether <see cref="Place"/> takes back a placement that did not pay.</summary>
    public bool GoesBack(IReadOnlyList<WorkerId> workers, ShardAssignment shards) => _trials.GoesBack(workers, shards);

    /// <summary>Whether <see cref="Place"/> would move a shard.</summary>
    public bool WouldMove(IReadOnlyList<WorkerId> workers, ShardAssignment shards) => GoesBack(workers, shards) || shards.WouldMove(workers, Paces, Probe);

    /// <summary>
    /// What has become of the workers. To be asked often, while steps go on. After an answer the shards are to be placed anew
    /// if that moves any.
    /// </summary>
    /// <param name="workers">Who may compute.</param>
    /// <param name="shards">Who computes what.</param>
    /// <param name="now">Now.</param>
    public IReadOnlyList<PaceNews> Look(IReadOnlyList<WorkerId> workers, ShardAssignment shards, TimeSpan now)
    {
        if (now - _lookedAt > Gap)
        {
            _standstill.Begin(now);
        }

        _lookedAt = now;
        if (workers.Count < 2)
        {
            return [];
        }

        if (_moves && workers.All(worker => _table.Record(worker).IsSuspect))
        {
            // Slower than who? They are alike until one of them shows otherwise.
            _table.Forgive();
            _trials.Forget();
        }

        return Frozen(workers, now) is [_, ..] frozen ? frozen
            : !_moves ? []
            : NewlySlow(workers, shards, now) is [_, ..] slow ? slow
            : EvenSlower(workers, shards, now) is { } news ? [news]
            : _trials.Look(workers, shards, now);
    }

    /// <summary>Whether the run waits for a frozen worker; for when nobody looks at paces.</summary>
    public bool WaitsForFrozen(IReadOnlyList<WorkerId> workers, TimeSpan now) => Silent(workers, now).Count > 0;

    private IReadOnlyList<(WorkerId Worker, TimeSpan Silent)> Silent(IReadOnlyList<WorkerId> workers, TimeSpan now) =>
        _standstill.Frozen(workers, worker => _table.Measured(worker).Shards > 0, now);

    private List<PaceNews> Frozen(IReadOnlyList<WorkerId> workers, TimeSpan now)
    {
        var news = new List<PaceNews>();
        foreach (var (worker, silent) in Silent(workers, now))
        {
            if (_moves)
            {
                _table.Record(worker).Slowed(double.PositiveInfinity, now);
            }

            _trials.Without(worker);
            news.Add(new PaceNews(worker, PaceChange.Frozen, $"{worker} is frozen (not heard of for {silent.TotalSeconds:0.0} s, and the others wait for it)"));
        }

        return news;
    }

    private PaceNews[] NewlySlow(IReadOnlyList<WorkerId> workers, ShardAssignment shards, TimeSpan now)
    {
        var slow = _table.WaitedForAmong(_table.Normal(workers)).Where(static one => one.Factor >= Sure).ToDictionary(static one => one.Worker, static one => one.Factor);
        if (slow.Count == 0 || !shards.WouldMove(workers, _table.PacesWith(slow), Probe))
        {
            return [];
        }

        // What is on trial with it cannot be judged any more.
        slow.Keys.ToList().ForEach(_trials.Without);
        _trials.Abandon(now);
        return [.. slow.Select(one => Slow(one.Key, one.Value, one.Value, now))];
    }

    private PaceNews? EvenSlower(IReadOnlyList<WorkerId> workers, ShardAssignment shards, TimeSpan now)
    {
        if (_trials.IsOn || _table.Normal(workers) is not [_, ..] normal)
        {
            return null;
        }

        var (others, fastest) = (normal.Max(other => _table.Measured(other).Most), _table.Fastest(normal)!);
        foreach (var worker in workers.Where(worker => _table.Record(worker).IsSlow && _table.IsWaitedFor(worker, others)))
        {
            if (_table.Measured(worker).LeastOfShard / fastest.MostOfShard is { } factor
                && Math.Max(_table.Record(worker).Pace * Slower, factor) is var pace && shards.WouldMove(workers, _table.PacesWith([new(worker, pace)])))
            {
                return Slow(worker, factor, pace, now);
            }
        }

        return null;
    }

    private PaceNews Slow(WorkerId worker, double factor, double pace, TimeSpan now)
    {
        _table.Record(worker).Slowed(pace, now);
        return new(worker, PaceChange.Slow, $"{worker} computes {factor:0.0} times slower than the others: its shards move.");
    }
}
