using DistributedTrainer.Data;

namespace DistributedTrainer.Cluster.Supply;

/// <summary>
/// Brings the rows of shards that may become a worker's, on a thread of its own beside the steps. What is wanted may change
/// at any time: a segment that is being fetched for a shard that still is wanted goes on, and what is there stays.
/// </summary>
/// <param name="data">The run's data on this node.</param>
/// <param name="told">Called when the wanted shards are here, or cannot be had, with why; on the thread that fetched.</param>
internal sealed class RowFetch(PreparedData data, Action<int[], string?> told) : IDisposable
{
    private readonly object _gate = new();
    private volatile int[] _wanted = [];
    private bool _isAtIt;

    /// <summary>These shards are wanted now, and no others. The answer comes again each time that they are.</summary>
    public void Want(int[] shards)
    {
        lock (_gate)
        {
            _wanted = shards;
            if (_isAtIt || shards.Length == 0)
            {
                return;
            }

            _isAtIt = true;
        }

        // Fetching waits for the network: no work for a thread of the pool.
        Task.Factory.StartNew(Fetch, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Of what is wanted only what is among these shards still is.</summary>
    public void Keep(int[] shards)
    {
        lock (_gate)
        {
            _wanted = [.. _wanted.Intersect(shards)];
        }
    }

    /// <summary>Nothing is wanted any more.</summary>
    public void Dispose() => Keep([]);

    private void Fetch()
    {
        while (true)
        {
            var wanted = _wanted;
            var problem = Bring(wanted);
            lock (_gate)
            {
                if (!ReferenceEquals(wanted, _wanted))
                {
                    continue;
                }

                _isAtIt = false;
            }

            if (wanted.Length > 0)
            {
                told(wanted, problem);
            }

            return;
        }
    }

    /// <summary>Why they cannot be had; null: they are here, or not wanted any more.</summary>
    private string? Bring(int[] shards)
    {
        try
        {
            foreach (var shard in shards)
            {
                bool IsGivenUp() => !_wanted.Contains(shard);
                if (!IsGivenUp())
                {
                    data.Bring([shard], IsGivenUp);
                }
            }

            return null;
        }
        catch (Exception cause)
        {
            // The coordinator decides what it means for the run.
            return cause.Message;
        }
    }
}
