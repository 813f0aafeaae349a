using System.Diagnostics;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// What a worker's steps cost: the time of the step thread, in laps that follow one another, and the managed memory that
/// it allocates. The step thread alone writes; any thread may read.
/// </summary>
internal sealed class StepClock
{
    private long _last = Stopwatch.GetTimestamp();
    private long _computing;
    private long _pushing;
    private long _waiting;
    private long _copying;
    private long _steps;
    private long _allocated;

    /// <summary>The time up to here belongs to no step.</summary>
    public void Begin() => _last = Stopwatch.GetTimestamp();

    public void Computed() => Lap(ref _computing);

    public void Pushed() => Lap(ref _pushing);

    public void Waited() => Lap(ref _waiting);

    /// <summary>The next version was taken over: the step is done.</summary>
    public void Stepped()
    {
        Lap(ref _copying);
        Volatile.Write(ref _allocated, GC.GetAllocatedBytesForCurrentThread());
        Volatile.Write(ref _steps, _steps + 1);
    }

    /// <summary>Since the beginning.</summary>
    /// <param name="dataBytes">Bytes on the data plane.</param>
    public StepCosts Costs(long dataBytes) => new(
        Volatile.Read(ref _steps), Microseconds(ref _computing), Microseconds(ref _pushing), Microseconds(ref _waiting), Microseconds(ref _copying),
        Volatile.Read(ref _allocated), dataBytes);

    private void Lap(ref long sum)
    {
        var now = Stopwatch.GetTimestamp();
        Volatile.Write(ref sum, sum + now - _last);
        _last = now;
    }

    private static long Microseconds(ref long sum) => (long)Stopwatch.GetElapsedTime(0, Volatile.Read(ref sum)).TotalMicroseconds;
}
