using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// What a worker's steps cost: the time of the step thread, in laps that follow one another, and the managed memory that
/// they allocate. The step thread alone writes; any thread may read. Only whole steps count, so that what is read at any
/// time belongs together.
/// </summary>
/// <param name="time">Tells the time.</param>
/// <param name="record">Takes each lap; null: nobody does. Its ticks are those of the time provider.</param>
internal sealed class StepClock(TimeProvider time, SpanRecord? record = null)
{
    /// <summary>Who waits looks around at least this often.</summary>
    public static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(20);

    // A look that comes this late (in ticks) was not kept from coming by a timer's inaccuracy.
    private readonly long _late = time.TimestampFrequency * 30 / 1000;

    private readonly Lock _whole = new();
    private Laps _step;
    private Laps _sum;
    private long _last = time.GetTimestamp();
    private long _looked;
    private long _stopped;
    private long _steps;
    private long _allocated;

    /// <summary>The time up to now was spent on an evaluation, which is no part of a step.</summary>
    public void Evaluated() => Lap(SpanKind.Evaluate);

    /// <summary>The time since the last whole step belongs to none.</summary>
    public void Begin()
    {
        (_step, _stopped) = (default, 0);
        _last = time.GetTimestamp();
    }

    /// <summary>The time up to now was the worker's own.</summary>
    /// <param name="kind">What it was spent on.</param>
    public void Computed(SpanKind kind = SpanKind.Compute) => _step.Computing += Lap(kind);

    public void Pushed() => _step.Pushing += Lap(SpanKind.Push);

    /// <summary>
    /// While waiting, each <see cref="Slice"/> at least. Where a look comes late, this process was stopped or found no core:
    /// then it is not the one that waits, but may be the one that others wait for.
    /// </summary>
    public void Looked()
    {
        var now = time.GetTimestamp();
        var gap = now - Math.Max(_looked, _last);
        _stopped += gap > _late ? gap : 0;
        _looked = now;
    }

    public void Waited()
    {
        Looked();
        _step.Computing += _stopped;
        _step.Waiting -= _stopped;
        _stopped = 0;
        _step.Waiting += Lap(SpanKind.Wait);
    }

    /// <summary>The next version was taken over: the step is done.</summary>
    /// <param name="allocated">Managed bytes that threads beside the calling one have allocated for the steps so far.</param>
    public void Stepped(long allocated = 0)
    {
        _step.Copying += Lap(SpanKind.Pull);
        lock (_whole)
        {
            _sum.Add(_step);
            _steps++;
            _allocated = GC.GetAllocatedBytesForCurrentThread() + allocated;
        }

        _step = default;
    }

    /// <summary>Since the beginning.</summary>
    /// <param name="dataBytes">Bytes on the data plane.</param>
    public StepCosts Costs(long dataBytes)
    {
        lock (_whole)
        {
            return new StepCosts(
                _steps, Microseconds(_sum.Computing), Microseconds(_sum.Pushing), Microseconds(_sum.Waiting), Microseconds(_sum.Copying), _allocated, dataBytes);
        }
    }

    private long Lap(SpanKind kind)
    {
        var before = _last;
        _last = time.GetTimestamp();
        record?.Add(kind, before, _last);
        return _last - before;
    }

    private long Microseconds(long ticks) => (long)time.GetElapsedTime(0, ticks).TotalMicroseconds;

    /// <summary>In ticks of the time provider.</summary>
    private struct Laps
    {
        public long Computing;
        public long Pushing;
        public long Waiting;
        public long Copying;

        public void Add(in Laps other)
        {
            Computing += other.Computing;
            Pushing += other.Pushing;
            Waiting += other.Waiting;
            Copying += other.Copying;
        }
    }
}
