using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// Shards that are to move, while those who will compute them fetch their rows and steps go on as before. It is a proposal
/// and binds nobody: who computes what is decided when a generation begins. Time is given, never asked for.
/// </summary>
/// <param name="gains">Shards by who is to get them, of those who have to fetch their rows.</param>
/// <param name="forSpeed">Whether any of them move since a worker is slow, or fast again.</param>
/// <param name="since">When the first of what is proposed now was proposed.</param>
internal sealed class PendingMove(IReadOnlyDictionary<WorkerId, int[]> gains, bool forSpeed, TimeSpan since)
{
    // Nobody loses by waiting but whoever joined: it is as long as some gigabytes take on a slow network.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    private readonly Dictionary<WorkerId, int[]> _missing = new(gains);

    public bool IsForSpeed => forSpeed;

    public TimeSpan Since { get; } = since;

    /// <summary>When those who have not answered were asked last.</summary>
    public TimeSpan AskedAt { get; set; } = since;

    /// <summary>Who fetches what.</summary>
    public IReadOnlyDictionary<WorkerId, int[]> Missing => _missing;

    /// <summary>Whether all rows are there.</summary>
    public bool IsReady => _missing.Count == 0;

    /// <summary>A worker has the rows of these shards. Who asked for them does not matter: they stay.</summary>
    public void Brought(WorkerId worker, IReadOnlyCollection<int> shards)
    {
        if (_missing.TryGetValue(worker, out var missing))
        {
            missing = [.. missing.Except(shards)];
            if (missing.Length == 0)
            {
                _missing.Remove(worker);
            }
            else
            {
                _missing[worker] = missing;
            }
        }
    }

    /// <summary>Whether it has been waited for long enough: the rest is fetched while the others wait.</summary>
    public bool IsOverdue(TimeSpan now) => now - Since > Limit;
}
