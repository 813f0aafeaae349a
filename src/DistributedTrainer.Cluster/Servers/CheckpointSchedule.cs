using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>What a version asks of everybody who takes the step after it; it travels with the parameters and the pushes.</summary>
[Flags]
internal enum CheckpointAsk : byte
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The version that comes of the step is to be put aside.</summary>
    Snapshot = 1,

    /// <summary>And no step follows it.</summary>
    Last = 2,
}

/// <summary>
/// When checkpoints are made: decided in the lead partition, one at a time. Which versions are kept changes no bit of any
/// result, so time may decide it.
/// </summary>
/// <param name="options">When.</param>
/// <param name="steps">Of the whole run.</param>
/// <param name="time">Tells the time.</param>
/// <param name="pauses">Whether the run ends for now with a version, which is then put aside whatever the intervals say; null: with none.</param>
internal sealed class CheckpointSchedule(CheckpointOptions options, long steps, TimeProvider time, Func<long, bool>? pauses = null)
{
    private long _lastAt = time.GetTimestamp();
    private long _busyWith = -1;
    private CheckpointAsk _asked;

    /// <summary>Somebody wants one, at the next occasion, whatever the intervals say.</summary>
    public void Ask(bool last) => _asked |= CheckpointAsk.Snapshot | (last ? CheckpointAsk.Last : CheckpointAsk.None);

    /// <summary>What is asked for of this version, once: it is busy from now on, until <see cref="Done"/>.</summary>
    /// <param name="version">The version.</param>
    /// <param name="before">The one before it.</param>
    public CheckpointAsk Next(long version, long before)
    {
        // The end of training has one of its own.
        if (version >= steps)
        {
            return CheckpointAsk.None;
        }

        var due = _asked;
        if (pauses?.Invoke(version) == true)
        {
            // What lies with the workers is put aside only where it was asked for before the step.
            due |= CheckpointAsk.Snapshot;
        }
        else if (due == CheckpointAsk.None && _busyWith < 0 && (IsDueByStep(version, before) || IsDueByTime()))
        {
            due = CheckpointAsk.Snapshot;
        }

        if (due != CheckpointAsk.None)
        {
            (_asked, _busyWith, _lastAt) = (CheckpointAsk.None, version, time.GetTimestamp());
        }

        return due;
    }

    /// <summary>The checkpoint of this version, or a later one, is written or was given up.</summary>
    public void Done(long version)
    {
        if (version >= _busyWith)
        {
            _busyWith = -1;
        }
    }

    // Where there is no version of that very step: the first one behind it.
    private bool IsDueByStep(long version, long before) => options.EverySteps is { } every && version / every > before / every;

    private bool IsDueByTime() => options.EverySeconds is { } seconds && time.GetElapsedTime(_lastAt).TotalSeconds >= seconds;
}
