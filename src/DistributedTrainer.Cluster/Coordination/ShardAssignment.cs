using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// Which worker computes which shards. Shards stay where they are as far as balance allows; no worker has two more
/// than another. The placement changes no bit of the result, only how long it takes.
/// </summary>
internal sealed class ShardAssignment(int shards)
{
    private readonly WorkerId?[] _owners = new WorkerId?[shards];

    /// <summary>Shards of a worker, ascending.</summary>
    public int[] ShardsOf(WorkerId worker) => [.. Enumerable.Range(0, shards).Where(shard => _owners[shard] == worker)];

    /// <summary>Spreads the shards over these workers. Returns whether anything moved.</summary>
    public bool Rebalance(IReadOnlyList<WorkerId> workers)
    {
        var before = _owners.ToArray();
        if (workers.Count == 0)
        {
            Array.Clear(_owners);
            return !before.SequenceEqual(_owners);
        }

        if (!_owners.Any(owner => owner is not null && workers.Contains(owner.Value)))
        {
            // Neighbouring shards to one worker: their gradients can be summed before they are sent.
            for (var shard = 0; shard < shards; shard++)
            {
                _owners[shard] = workers[(int)((long)shard * workers.Count / shards)];
            }

            return true;
        }

        var counts = workers.ToDictionary(static worker => worker, worker => ShardsOf(worker).Length);
        WorkerId Least() => workers.MinBy(worker => counts[worker]);
        for (var shard = 0; shard < shards; shard++)
        {
            if (_owners[shard] is not { } owner || !counts.ContainsKey(owner))
            {
                var heir = Least();
                _owners[shard] = heir;
                counts[heir]++;
            }
        }

        for (var most = workers.MaxBy(worker => counts[worker]); counts[most] > counts[Least()] + 1; most = workers.MaxBy(worker => counts[worker]))
        {
            var least = Least();
            _owners[ShardsOf(most)[^1]] = least;
            counts[most]--;
            counts[least]++;
        }

        return !before.SequenceEqual(_owners);
    }
}
