using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>What became of a worker.</summary>
internal enum PaceChange
{
    /// <summary>The others wait for it: it gets fewer shards.</summary>
    Slow,

    /// <summary>It was slow, and is given more to do to see whether it still is.</summary>
    Tried,

    /// <summary>It still is.</summary>
    StillSlow,

    /// <summary>It is fast again, or at least faster.</summary>
    Recovered,

    /// <summary>It is not heard of, and the run stands still.</summary>
    Frozen,
}

/// <summary>A reason to place the shards anew.</summary>
/// <param name="Worker">Who.</param>
/// <param name="Change">What.</param>
/// <param name="Text">For people; of a frozen one, only the cause.</param>
internal sealed record PaceNews(WorkerId Worker, PaceChange Change, string Text);

/// <summary>
/// Watches how fast the workers are, and says when work should move: away from one that the others wait for, and back when
/// it is fast again. Each move costs a generation, so that small and short differences move nothing, and who was slow gets
/// its chances ever more rarely. Fed with statuses and steps; time is given, never asked for.
/// </summary>
/// <param name="moves">Whether work moves for speed at all. If not, there is news of frozen workers only.</param>
/// <param name="stepsAtOnce">Steps from one version to the next.</param>
internal sealed class PaceWatch(bool moves = true, int stepsAtOnce = 1)
{
    // Below this a worker is not called slow: what else runs on a busy machine makes differences of 2.
    private const double SlowFactor = 2.75;

    // Above this a worker that was slow is not called fast.
    private const double FastFactor = 1.5;

    // Others wait for a worker whose own part of a step is this much longer than theirs, twice; or once, and that much longer,
    // where it was slow before.
    private const double WaitedFor = 1.25;
    private const double LongWaitedFor = 2;

    // A chance that a slow worker does not use costs a step or two of it.
    private const int StepsBetweenChances = 50;

    // Who does not complete a single step in this time while the run stands still needs no measuring.
    private static readonly TimeSpan OneStep = TimeSpan.FromSeconds(5);

    // Longer than several ticks: whoever looks was stopped itself, and knows nothing of what happened meanwhile.
    private static readonly TimeSpan Gap = TimeSpan.FromSeconds(1);

    private readonly Dictionary<WorkerId, WorkerPace> _measured = [];
    private readonly Dictionary<WorkerId, SlowWorker> _records = [];
    private readonly StandstillWatch _standstill = new(stepsAtOnce);
    private TimeSpan? _lookedAt;

    /// <summary>Of all that are slow: time of a thread for a shard, relative to the others.</summary>
    public IReadOnlyDictionary<WorkerId, double> Paces =>
        _records.Where(static pair => pair.Value.IsSlow).ToDictionary(static pair => pair.Key, static pair => pair.Value.Pace);

    /// <summary>Who is to have one shard although it would have none by its pace, since else nobody would know when it is fast again.</summary>
    public WorkerId? Probe { get; private set; }

    /// <summary>A worker reports.</summary>
    public void Heard(WorkerId worker, StepCosts costs, TimeSpan now)
    {
        Measured(worker).Heard(costs);
        _standstill.Heard(worker, now);
    }

    /// <summary>Steps were applied, up to this version; or that is told again.</summary>
    public void Applied(long version, TimeSpan now) => _standstill.Applied(version, now);

    /// <summary>This version was evaluated; or that is told again.</summary>
    public void Evaluated(long version, TimeSpan now) => _standstill.Evaluated(version, now);

    /// <summary>The shards were placed; steps go on.</summary>
    public void Assigned(IReadOnlyList<WorkerId> workers, ShardAssignment shards, TimeSpan now)
    {
        foreach (var worker in workers)
        {
            Measured(worker).Assigned(shards.ShardsOf(worker).Length, shards.ThreadsOf(worker));
        }

        _standstill.Begin(now);
        _lookedAt = now;
    }

    /// <summary>
    /// What has become of the workers. To be asked often, while steps go on. After an answer the shards are to be placed anew
    /// with <see cref="Paces"/> and <see cref="Probe"/>, if that moves any.
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

        if (!moves)
        {
            return Frozen(workers, now);
        }

        if (_records.FirstOrDefault(static pair => pair.Value.IsTried) is { Value: { } tried } pair && !workers.Contains(pair.Key))
        {
            tried.Postpone(now);
            Probe = null;
        }

        if (workers.All(worker => Record(worker).IsSuspect))
        {
            // Slower than who? They are alike until one of them shows otherwise.
            _records.Clear();
            Probe = null;
        }

        return Frozen(workers, now) is [_, ..] frozen ? frozen
            : NewlySlow(workers, shards, now) is [_, ..] slow ? slow
            : OfOneThatWasSlow(workers, shards, now) is { } news ? [news] : [];
    }

    private List<PaceNews> Frozen(IReadOnlyList<WorkerId> workers, TimeSpan now)
    {
        var news = new List<PaceNews>();
        foreach (var (worker, silent) in _standstill.Frozen(workers, worker => Measured(worker).Shards > 0, now))
        {
            if (moves)
            {
                Record(worker).Slowed(double.PositiveInfinity, now);
            }

            Probe = Probe == worker ? null : Probe;
            news.Add(new PaceNews(worker, PaceChange.Frozen, $"{worker} is frozen (not heard of for {silent.TotalSeconds:0.0} s, and the others wait for it)"));
        }

        return news;
    }

    private List<PaceNews> NewlySlow(IReadOnlyList<WorkerId> workers, ShardAssignment shards, TimeSpan now)
    {
        var normal = Normal(workers);
        var paces = new Dictionary<WorkerId, double>(Paces);
        var news = new List<PaceNews>();
        foreach (var worker in normal)
        {
            if (Fastest(normal.Where(other => other != worker)) is { } other && IsWaitedFor(worker, other.Most)
                && Measured(worker).LeastOfShard / other.MostOfShard is >= SlowFactor and var factor)
            {
                paces.Add(worker, factor);
                news.Add(Slow(worker, factor));
            }
        }

        if (news.Count == 0 || !shards.WouldMove(workers, paces, Probe))
        {
            return [];
        }

        news.ForEach(one => Record(one.Worker).Slowed(paces[one.Worker], now));
        return news;
    }

    private PaceNews? OfOneThatWasSlow(IReadOnlyList<WorkerId> workers, ShardAssignment shards, TimeSpan now)
    {
        if (workers.FirstOrDefault(worker => Record(worker).IsTried) is { Value: not null } tried)
        {
            return Verdict(tried, workers, now);
        }

        if (Fastest(Normal(workers)) is not { } fastest)
        {
            return null;
        }

        var least = StepsBetweenChances * (_standstill.UsualStep ?? TimeSpan.Zero);
        return workers.Where(worker => Record(worker).IsSlow)
            .Select(worker => EvenSlower(worker, workers, fastest, shards, now) ?? (Record(worker).IsDue(now, least) ? Chance(worker, workers, fastest, shards, now) : null))
            .FirstOrDefault(static news => news is not null);
    }

    private PaceNews? EvenSlower(WorkerId worker, IReadOnlyList<WorkerId> workers, WorkerPace fastest, ShardAssignment shards, TimeSpan now)
    {
        var record = Record(worker);
        if (IsWaitedFor(worker, Normal(workers).Max(other => Measured(other).Most)) && Measured(worker).LeastOfShard / fastest.MostOfShard is { } factor)
        {
            var pace = Math.Max(record.Pace * FastFactor, factor);
            if (shards.WouldMove(workers, new Dictionary<WorkerId, double>(Paces) { [worker] = pace }))
            {
                record.Slowed(pace, now);
                return Slow(worker, factor);
            }
        }

        return null;
    }

    private PaceNews? Chance(WorkerId worker, IReadOnlyList<WorkerId> workers, WorkerPace fastest, ShardAssignment shards, TimeSpan now)
    {
        var (record, one) = (Record(worker), Measured(worker));
        if (one.Shards == 0)
        {
            record.Try(record.Pace, now);
            Probe = worker;
            return Tried(worker);
        }

        if (one.MostOfShard / fastest.LeastOfShard is not { } factor)
        {
            return null;
        }

        if (factor < FastFactor)
        {
            record.Recovered(1, now);
            return Recovered(worker);
        }

        // Few rows may take longer each than many: that it is slow with them proves nothing.
        for (var pace = Math.Min(record.Pace, factor); pace >= FastFactor;)
        {
            pace /= 2;
            record.Try(pace < FastFactor ? 1 : pace, now);
            if (shards.WouldMove(workers, Paces))
            {
                return Tried(worker);
            }

            record.Postpone(now);
        }

        return null;
    }

    /// <summary>Whether a worker has used its chance; null: it is too early to say.</summary>
    private PaceNews? Verdict(WorkerId worker, IReadOnlyList<WorkerId> workers, TimeSpan now)
    {
        // The others have less to do than before: what they needed then is enough of a measure, and is known at once.
        var (record, one) = (Record(worker), Measured(worker));
        var others = workers.Where(other => !Record(other).IsSuspect).Max(other => Measured(other).OwnSoFar);
        if (IsWaitedFor(worker, others) || (one.IsBusy && one.Own > LongWaitedFor * others) || (one.Own is null && _standstill.IsStill(OneStep, now)))
        {
            record.Withdraw(now);
            Probe = null;
            return new PaceNews(worker, PaceChange.StillSlow, $"{worker} is still slow; its next chance comes in {record.Pause.TotalSeconds:0} s.");
        }

        if (one.MostOfShard / Fastest(Normal(workers))?.LeastOfShard is not { } factor)
        {
            return null;
        }

        var pace = Probe == worker ? Math.Min(record.Pace, factor) : record.Pace;
        record.Recovered(pace < FastFactor ? 1 : pace, now);
        Probe = null;
        return Recovered(worker);
    }

    private static PaceNews Slow(WorkerId worker, double factor) => new(worker, PaceChange.Slow, $"{worker} computes {factor:0.0} times slower than the others: its shards move.");

    private static PaceNews Tried(WorkerId worker) => new(worker, PaceChange.Tried, $"{worker} was slow, and gets more to do to see whether it still is.");

    private PaceNews Recovered(WorkerId worker) =>
        new(worker, PaceChange.Recovered, Record(worker).IsSlow ? $"{worker} is faster than it was." : $"{worker} is fast again: it gets its share of the shards.");

    /// <summary>Whether it shows twice that others wait for it, whose own part of a step is as long as this.</summary>
    private bool IsWaitedFor(WorkerId worker, double? others) => Measured(worker) is { IsBusy: true, Least: { } own } && own > WaitedFor * others;

    /// <summary>Workers that were observed twice and found in order.</summary>
    private List<WorkerId> Normal(IReadOnlyList<WorkerId> workers) => [.. workers.Where(worker => !Record(worker).IsSuspect && Measured(worker) is { Shards: > 0, Most: not null })];

    private WorkerPace? Fastest(IEnumerable<WorkerId> workers) => workers.Select(Measured).MinBy(static one => one.MostOfShard);

    private WorkerPace Measured(WorkerId worker) => _measured.TryGetValue(worker, out var pace) ? pace : _measured[worker] = new WorkerPace();

    private SlowWorker Record(WorkerId worker) => _records.TryGetValue(worker, out var record) ? record : _records[worker] = new SlowWorker();
}
