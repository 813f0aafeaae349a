using System.Diagnostics;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>Something that several threads change, and a test waits for.</summary>
internal sealed class Watched
{
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private readonly object _gate = new();

    public void Change(Action change)
    {
        lock (_gate)
        {
            change();
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Returns when it holds, whenever that is.</summary>
    public void Hold(Func<bool> until)
    {
        lock (_gate)
        {
            while (!until())
            {
                Monitor.Wait(_gate);
            }
        }
    }

    /// <summary>Returns when it holds.</summary>
    /// <exception cref="TimeoutException">It never did.</exception>
    public void Until(Func<bool> holds, string what)
    {
        lock (_gate)
        {
            // Whatever changes wakes it: what counts is the time since it began to wait.
            var begin = Stopwatch.GetTimestamp();
            while (!holds())
            {
                var left = Limit - Stopwatch.GetElapsedTime(begin);
                if (left <= TimeSpan.Zero || !Monitor.Wait(_gate, left))
                {
                    throw new TimeoutException($"In {Limit.TotalMinutes} minutes it was never seen that {what}.");
                }
            }
        }
    }

    public T Look<T>(Func<T> look)
    {
        lock (_gate)
        {
            return look();
        }
    }
}
