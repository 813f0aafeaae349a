using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination.Pacing;

/// <summary>What is known of the workers' paces, and how they compare.</summary>
internal sealed class PaceTable
{
    // Others wait for a worker whose own part of a step is this much longer than theirs, twice.
    private const double WaitedFor = 1.25;

    private readonly Dictionary<WorkerId, WorkerPace> _measured = [];
    private readonly Dictionary<WorkerId, SlowWorker> _records = [];

    /// <summary>Of all that are slow: time of a thread for a shard, relative to the others.</summary>
    public Dictionary<WorkerId, double> Paces =>
        _records.Where(static pair => pair.Value.IsSlow).ToDictionary(static pair => pair.Key, static pair => pair.Value.Pace);

    /// <summary>As above, but for these.</summary>
    public Dictionary<WorkerId, double> PacesWith(IEnumerable<KeyValuePair<WorkerId, double>> others)
    {
        var paces = Paces;
        foreach (var (worker, pace) in others)
        {
            paces[worker] = pace;
        }

        return paces;
    }

    /// <summary>What was measured of a worker.</summary>
    public WorkerPace Measured(WorkerId worker) => _measured.TryGetValue(worker, out var pace) ? pace : _measured[worker] = new WorkerPace();

    /// <summary>What is held against a worker.</summary>
    public SlowWorker Record(WorkerId worker) => _records.TryGetValue(worker, out var record) ? record : _records[worker] = new SlowWorker();

    /// <summary>What is held against these.</summary>
    public Dictionary<WorkerId, SlowWorker> Copy(params IEnumerable<WorkerId> workers) => workers.ToDictionary(static worker => worker, worker => Record(worker).Copy());

    /// <summary>What was held against a worker is so again.</summary>
    public SlowWorker Restore(WorkerId worker, SlowWorker record) => _records[worker] = record;

    /// <summary>Nothing is held against anybody.</summary>
    public void Forgive() => _records.Clear();

    /// <summary>Workers that were observed twice and found in order.</summary>
    public List<WorkerId> Normal(IReadOnlyList<WorkerId> workers) => [.. workers.Where(worker => !Record(worker).IsSuspect && Measured(worker) is { Shards: > 0, Most: not null })];

    public WorkerPace? Fastest(IEnumerable<WorkerId> workers) => workers.Select(Measured).MinBy(static one => one.MostOfShard);

    /// <summary>Whether it shows twice that others wait for it, whose own part of a step is as long as this.</summary>
    public bool IsWaitedFor(WorkerId worker, double? others) => Measured(worker) is { IsBusy: true, Least: { } own } && own > WaitedFor * others;

    /// <summary>Workers of these that the others wait for, and how many times longer they take for a shard, at least.</summary>
    public IEnumerable<(WorkerId Worker, double Factor)> WaitedForAmong(IReadOnlyList<WorkerId> normal)
    {
        foreach (var worker in normal)
        {
            if (Fastest(normal.Where(other => other != worker)) is { } other && IsWaitedFor(worker, other.Most) && Measured(worker).LeastOfShard / other.MostOfShard is { } factor)
            {
                yield return (worker, factor);
            }
        }
    }

    /// <summary>As above, but as most of some seconds, and two observations still, show it.</summary>
    public IEnumerable<(WorkerId Worker, double Factor)> UsuallyWaitedForAmong(IReadOnlyList<WorkerId> normal)
    {
        foreach (var worker in normal)
        {
            var one = Measured(worker);
            if (normal.Where(other => other != worker).Select(Measured).MinBy(static other => other.UsualOfShard ?? double.PositiveInfinity) is { } fastest
                && one.IsUsuallyBusy && one.Usual > WaitedFor * fastest.Usual && one.Least > WaitedFor * fastest.Most && one.UsualOfShard / fastest.UsualOfShard is { } factor)
            {
                yield return (worker, factor);
            }
        }
    }
}
