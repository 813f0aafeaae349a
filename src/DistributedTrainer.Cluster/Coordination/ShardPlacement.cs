using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// A placement in the making: c(w) shards of worker w, each of which takes it the time t(w); the makespan is the largest
/// load c(w)·t(w). A shard always goes from the largest load to where it makes the smallest. When that gains nothing any
/// more the makespan is the least possible: any other placement would give one more to somebody, who would then have a
/// load of at least this one.
/// </summary>
/// <param name="before">Owners so far; null: none.</param>
/// <param name="workers">Who may own shards.</param>
/// <param name="timeOf">t.</param>
internal sealed class ShardPlacement(WorkerId?[] before, IReadOnlyList<WorkerId> workers, Func<WorkerId, double> timeOf)
{
    // Where some are slower than others, a makespan that is not longer than the least by this factor is left as it is: paces
    // are measured, and measured again they differ.
    private const double WorthAMove = 1.2;

    private readonly WorkerId?[] _owners = [.. before];
    private readonly Dictionary<WorkerId, int> _counts = workers.ToDictionary(static worker => worker, static _ => 0);
    private readonly Dictionary<WorkerId, double> _times = workers.ToDictionary(static worker => worker, timeOf);

    private bool AllAlike => _times.Values.Distinct().Count() == 1;

    // Of several alike it is the first, so that the same question always has the same answer.
    private WorkerId Most => workers.MaxBy(Load);

    private WorkerId Next => workers.MinBy(LoadWithOneMore);

    /// <summary>Owners from now on.</summary>
    /// <param name="tried">A worker beside the others that is to have exactly one shard; null: none.</param>
    public WorkerId?[] Place(WorkerId? tried)
    {
        if (workers.Count == 0)
        {
            return new WorkerId?[_owners.Length];
        }

        var lent = tried is null ? -1 : Array.IndexOf(before, tried);
        for (var shard = 0; shard < _owners.Length; shard++)
        {
            if (_owners[shard] is { } owner && _counts.ContainsKey(owner))
            {
                _counts[owner]++;
            }
            else if (shard != lent)
            {
                _owners[shard] = null;
            }
        }

        if (_counts.Values.All(static count => count == 0) && lent < 0)
        {
            Begin();
        }
        else
        {
            GiveAway();
        }

        if (tried is not null && lent < 0)
        {
            var from = Most;
            _owners[ShardsOf(from)[^1]] = tried;
            _counts[from]--;
        }

        // What is lent is left out of it, the first time as ever after: the same question again moves nothing.
        Balance();
        return _owners;
    }

    /// <summary>Neighbouring shards to one worker: their gradients can be summed before they are sent.</summary>
    private void Begin()
    {
        if (AllAlike)
        {
            for (var shard = 0; shard < _owners.Length; shard++)
            {
                Give(shard, workers[(int)((long)shard * workers.Count / _owners.Length)]);
            }

            return;
        }

        for (var shard = 0; shard < _owners.Length; shard++)
        {
            _counts[Next]++;
        }

        var at = 0;
        foreach (var worker in workers)
        {
            _owners.AsSpan(at, _counts[worker]).Fill(worker);
            at += _counts[worker];
        }
    }

    private void GiveAway()
    {
        for (var shard = 0; shard < _owners.Length; shard++)
        {
            if (_owners[shard] is null)
            {
                Give(shard, Next);
            }
        }
    }

    private void Balance()
    {
        var (alike, before) = (AllAlike, Load(Most));
        var (moves, least, needed) = (new List<(WorkerId From, WorkerId To)>(), before, 0);
        for (var (most, next) = (Most, Next); Load(most) > LoadWithOneMore(next); (most, next) = (Most, Next))
        {
            moves.Add((most, next));
            _counts[most]--;
            _counts[next]++;

            // What moves after the last gain would move for nothing.
            if (alike || Load(Most) < least)
            {
                (least, needed) = (Load(Most), moves.Count);
            }
        }

        Move(alike || before > WorthAMove * least ? moves[..needed] : []);
    }

    /// <summary>First what lies beside the shards of whoever takes it. Nobody takes and gives, so that the order is free.</summary>
    private void Move(List<(WorkerId From, WorkerId To)> moves)
    {
        while (moves.Count > 0)
        {
            var at = Math.Max(0, moves.FindIndex(move => Beside(move.From, move.To) >= 0));
            var (from, to) = moves[at];
            var shard = Beside(from, to);
            _owners[shard >= 0 ? shard : ShardsOf(from)[^1]] = to;
            moves.RemoveAt(at);
        }
    }

    /// <summary>The last shard of one worker that lies beside those of another; −1: none does.</summary>
    private int Beside(WorkerId from, WorkerId to) =>
        Array.FindLast([-1, .. ShardsOf(from)], shard => shard < 0 || OwnerOf(shard - 1) == to || OwnerOf(shard + 1) == to);

    private WorkerId? OwnerOf(int shard) => shard >= 0 && shard < _owners.Length ? _owners[shard] : null;

    private int[] ShardsOf(WorkerId worker) => [.. Enumerable.Range(0, _owners.Length).Where(shard => _owners[shard] == worker)];

    private void Give(int shard, WorkerId worker)
    {
        _owners[shard] = worker;
        _counts[worker]++;
    }

    private double Load(WorkerId worker) => _counts[worker] * _times[worker];

    private double LoadWithOneMore(WorkerId worker) => (_counts[worker] + 1) * _times[worker];
}
