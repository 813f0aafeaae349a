namespace DistributedTrainer.Cluster.Timeline;

/// <summary>A part of a step: when it began and ended, in ticks of the process's own clock.</summary>
internal readonly record struct StepSpan(SpanKind Kind, long Step, long Start, long End);

/// <summary>
/// What the steps of one worker or partition were spent on, until somebody takes it. One thread at a time writes, one takes,
/// and neither waits: a ring that is laid out once. Of steps that are not recorded nothing is written, and what comes while
/// the ring is full is counted and lost.
/// </summary>
/// <param name="window">Which steps are recorded.</param>
/// <param name="capacity">A power of two.</param>
internal sealed class SpanRecord(TimelineWindow window, int capacity = SpanRecord.DefaultCapacity)
{
    /// <summary>128 KB: some 800 steps of a worker, which are taken twice a second.</summary>
    public const int DefaultCapacity = 4096;

    private readonly StepSpan[] _ring = window.IsOff ? [] : new StepSpan[capacity];
    private long _written;
    private long _taken;
    private long _lost;
    private long _until = -1;
    private long _step = -1;
    private bool _isRecording;

    /// <summary>Whether the current step is recorded.</summary>
    public bool IsRecording => _isRecording;

    /// <summary>What did not fit so far.</summary>
    public long Lost => Volatile.Read(ref _lost);

    /// <summary>What comes now belongs to this step. The writer's.</summary>
    public void Begin(long step)
    {
        _step = step;
        _isRecording = window.Includes(step) || (step <= Volatile.Read(ref _until) && !window.IsOff);
    }

    /// <summary>The steps up to this one are recorded in any case: something has happened. Any thread.</summary>
    public void Extend(long until) => Volatile.Write(ref _until, until);

    /// <summary>Notes a part of the current step, if it is recorded. The writer's.</summary>
    public void Add(SpanKind kind, long start, long end)
    {
        if (!_isRecording)
        {
            return;
        }

        if (_written - Volatile.Read(ref _taken) == _ring.Length)
        {
            Volatile.Write(ref _lost, _lost + 1);
            return;
        }

        _ring[_written & (_ring.Length - 1)] = new StepSpan(kind, _step, start, end);
        Volatile.Write(ref _written, _written + 1);
    }

    /// <summary>Takes what is there, at most so many.</summary>
    public StepSpan[] Take(int most)
    {
        var count = (int)Math.Min(Volatile.Read(ref _written) - _taken, most);
        if (count == 0)
        {
            return [];
        }

        var spans = new StepSpan[count];
        for (var i = 0; i < count; i++)
        {
            spans[i] = _ring[(_taken + i) & (_ring.Length - 1)];
        }

        Volatile.Write(ref _taken, _taken + count);
        return spans;
    }
}
