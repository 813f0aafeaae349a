using System.Diagnostics;

namespace DistributedTrainer.Channels.Shared;

/// <summary>
/// Wakes one waiting thread, maybe of another process: a counter in shared memory that every event raises, and a futex
/// on it. Take a ticket, look whether there is something to do, and wait with the ticket if not: what happened in
/// between has made the ticket stale, so that nothing is missed.
/// </summary>
/// <param name="counter">Raised by those who ring.</param>
/// <param name="sleeping">Not zero while the waiter sleeps; on another cache line, since the waiter writes it.</param>
internal sealed unsafe class Bell(uint* counter, uint* sleeping)
{
    private const nint FutexWait = 0;
    private const nint FutexWake = 1;

    // A look of a waiter that found nothing lately; long enough to notice that the peer answers quickly again.
    private static readonly long ShortSpin = Math.Max(1, Stopwatch.Frequency / 4_000_000);

    // A sleep costs some 20 µs there and back, an answer that is under way takes 2 or 3. With few cores the peer may
    // need this very core to answer, and computing threads always do: no longer than such an answer takes.
    private static readonly long LongSpin = Environment.ProcessorCount switch
    {
        1 => 0,
        < 4 => Stopwatch.Frequency * 3 / 1_000_000,
        _ => Stopwatch.Frequency * 20 / 1_000_000,
    };

    private readonly Lock _gate = new();
    private long _spin = LongSpin;
    private int _sleepers;
    private bool _attended;

    /// <summary>Whether the system can wake sleepers; without, every wait would turn in circles.</summary>
    public static bool Works(uint* counter) => Libc.Futex(Libc.FutexNumber, counter, FutexWake, 1, 0, 0, 0) == 0;

    public uint Ticket => Volatile.Read(ref *counter);

    /// <summary>Says that something happened. A system call only when somebody sleeps.</summary>
    public void Ring()
    {
        Interlocked.Increment(ref *counter);
        if (Volatile.Read(ref *sleeping) != 0) Wake();
    }

    /// <summary>Waits until somebody has rung since the ticket was taken. For one thread at a time, and one more that attends.</summary>
    public void Wait(uint ticket)
    {
        if (Spin(ticket)) return;
        Sleepers(1);
        // The system compares once more; an error (interrupted, counted up in the meantime) is a reason to look again.
        while (Ticket == ticket) Libc.Futex(Libc.FutexNumber, counter, FutexWait, (nint)ticket, 0, 0, 0);
        Sleepers(-1);
    }

    /// <summary>While a thread looks at the counter again and again by itself, nobody is woken.</summary>
    public void Attend(bool attended)
    {
        lock (_gate)
        {
            _attended = attended;
            Show();
        }
    }

    /// <summary>Wakes who slept when the bell was attended, if it was rung in the meantime.</summary>
    public void Wake() => Libc.Futex(Libc.FutexNumber, counter, FutexWake, int.MaxValue, 0, 0, 0);

    private void Sleepers(int change)
    {
        lock (_gate)
        {
            _sleepers += change;
            Show();
        }
    }

    private void Show()
    {
        Volatile.Write(ref *sleeping, _sleepers > 0 && !_attended ? 1u : 0);
        // Either the ringer sees the flag, or this thread sees the new count: never neither.
        Interlocked.MemoryBarrier();
    }

    private bool Spin(uint ticket)
    {
        if (LongSpin == 0) return Ticket != ticket;
        var end = Stopwatch.GetTimestamp() + _spin;
        do
        {
            if (Ticket != ticket)
            {
                _spin = LongSpin;
                return true;
            }

            Thread.SpinWait(4);
        }
        while (Stopwatch.GetTimestamp() < end);
        _spin = Math.Max(_spin / 2, ShortSpin);
        return false;
    }
}
