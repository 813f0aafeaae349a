using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// Which worker computes which shards: such that the slowest is done as early as possible, while shards stay where they
/// are as far as that allows. Among equally fast workers, none has two more than another; one that computes on four threads
/// is four times as fast. The placement changes no bit of the result, only how long it takes.
/// </summary>
/// <param name="shards">How many there are.</param>
/// <param name="threadsOf">Threads of a worker; null: one each.</param>
internal sealed class ShardAssignment(int shards, Func<WorkerId, int>? threadsOf = null)
{
    private static readonly Dictionary<WorkerId, double> Alike = [];

    private WorkerId?[] _owners = new WorkerId?[shards];

    /// <summary>Those among whom the shards were spread last, also who got none.</summary>
    public IReadOnlyList<WorkerId> Workers { get; private set; } = [];

    /// <summary>Threads of a worker.</summary>
    public int ThreadsOf(WorkerId worker) => threadsOf?.Invoke(worker) ?? 1;

    /// <summary>Shards of a worker, ascending.</summary>
    public int[] ShardsOf(WorkerId worker) => [.. Enumerable.Range(0, shards).Where(shard => _owners[shard] == worker)];

    /// <summary>Spreads the shards over these workers, which are all equally fast. Returns whether anything moved.</summary>
    public bool Rebalance(IReadOnlyList<WorkerId> workers) => Rebalance(workers, Alike);

    /// <summary>Spreads the shards over these workers. Returns whether anything moved.</summary>
    /// <param name="workers">Who may compute.</param>
    /// <param name="pace">Time of a thread for a shard, relative to the others: 4 is four times as long, infinity is never. Who is not named has 1.</param>
    /// <param name="tried">Gets one shard whatever its pace, so that it can be measured.</param>
    public bool Rebalance(IReadOnlyList<WorkerId> workers, IReadOnlyDictionary<WorkerId, double> pace, WorkerId? tried = null)
    {
        var before = _owners;
        (_owners, Workers) = (Place(workers, pace, tried), workers);
        return !before.SequenceEqual(_owners);
    }

    /// <summary>Whether rebalancing would move anything.</summary>
    public bool WouldMove(IReadOnlyList<WorkerId> workers, IReadOnlyDictionary<WorkerId, double> pace, WorkerId? tried = null) =>
        !_owners.SequenceEqual(Place(workers, pace, tried));

    /// <summary>What rebalancing would give to whom beside what it has; who would get nothing is not named.</summary>
    public IReadOnlyDictionary<WorkerId, int[]> Gains(IReadOnlyList<WorkerId> workers, IReadOnlyDictionary<WorkerId, double> pace, WorkerId? tried = null)
    {
        var proposed = Place(workers, pace, tried);
        return Enumerable.Range(0, shards).Where(shard => proposed[shard] is { } worker && worker != _owners[shard])
            .GroupBy(shard => proposed[shard]!.Value).ToDictionary(static gained => gained.Key, static gained => gained.ToArray());
    }

    /// <summary>Who computes what, to be placed otherwise or gone back to.</summary>
    public ShardAssignment Copy() => new(shards, threadsOf) { _owners = _owners };

    /// <summary>Who computes what is as it was.</summary>
    public void GoBackTo(ShardAssignment before) => _owners = before._owners;

    private WorkerId?[] Place(IReadOnlyList<WorkerId> workers, IReadOnlyDictionary<WorkerId, double> pace, WorkerId? tried)
    {
        double TimeOf(WorkerId worker) => pace.GetValueOrDefault(worker, 1) / ThreadsOf(worker);
        var able = workers.Where(worker => worker != tried && double.IsFinite(TimeOf(worker))).ToArray();
        if (able.Length == 0)
        {
            // Nobody is fast enough: then they are all alike.
            return new ShardPlacement(_owners, workers, worker => 1.0 / ThreadsOf(worker)).Place(null);
        }

        return new ShardPlacement(_owners, able, TimeOf).Place(tried is { } one && workers.Contains(one) ? one : null);
    }
}
