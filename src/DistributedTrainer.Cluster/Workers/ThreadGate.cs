using System.Diagnostics;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// Where the threads of one worker wait for each other: alert for a moment, as <see cref="AlertWait"/> is, and asleep after it.
/// A wait and a call allocate nothing.
/// </summary>
internal sealed class ThreadGate
{
    private static readonly TimeSpan Alert = TimeSpan.FromMilliseconds(1);

    private readonly object _gate = new();
    private int _asleep;

    /// <summary>Returns when it holds. What it depends on is written before <see cref="Call"/>, and read with care (<see cref="Volatile"/>).</summary>
    public void Until(Func<bool> holds)
    {
        var start = Stopwatch.GetTimestamp();
        while (!holds())
        {
            if (Stopwatch.GetElapsedTime(start) >= Alert)
            {
                Sleep(holds);
                return;
            }

            Thread.Yield();
        }
    }

    /// <summary>Something has changed: whoever waits looks again.</summary>
    public void Call()
    {
        // Either the change is seen by who falls asleep, or who falls asleep is seen here.
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _asleep) > 0)
        {
            lock (_gate)
            {
                Monitor.PulseAll(_gate);
            }
        }
    }

    private void Sleep(Func<bool> holds)
    {
        lock (_gate)
        {
            Interlocked.Increment(ref _asleep);
            while (!holds())
            {
                Monitor.Wait(_gate);
            }

            Interlocked.Decrement(ref _asleep);
        }
    }
}
