using System.Runtime.ExceptionServices;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// The threads of a worker beside its step thread, which gives them work and takes its own part in it. Between two pieces of
/// work they are alert for a moment, and asleep after it.
/// </summary>
internal sealed class ThreadTeam : IDisposable
{
    private readonly ThreadGate _gate;
    private readonly Thread[] _threads;
    private readonly long[] _allocated;
    private readonly Func<bool> _isIdle;
    private Action<int> _work = static _ => { };

    // How often work was given, and behind that to how many threads: read at once.
    private long _order;
    private int _busy;
    private bool _stopped;
    private Exception? _problem;

    /// <summary>Starts the threads.</summary>
    /// <param name="helpers">How many.</param>
    /// <param name="name">Whose they are.</param>
    /// <param name="gate">Where they wait, and those who wait for them.</param>
    public ThreadTeam(int helpers, string name, ThreadGate gate)
    {
        _gate = gate;
        _isIdle = () => IsIdle;
        _allocated = new long[helpers];
        _threads = [.. Enumerable.Range(1, helpers).Select(i => new Thread(() => Follow(i)) { IsBackground = true, Name = $"thread {i + 1} of {name}" })];
        Array.ForEach(_threads, static thread => thread.Start());
    }

    /// <summary>Whether nothing that was given is still being done.</summary>
    public bool IsIdle => Volatile.Read(ref _busy) == 0;

    /// <summary>Managed bytes that the threads have allocated.</summary>
    public long Allocated
    {
        get
        {
            var sum = 0L;
            for (var i = 0; i < _allocated.Length; i++)
            {
                sum += Volatile.Read(ref _allocated[i]);
            }

            return sum;
        }
    }

    /// <summary>Gives work to the first of the threads, when what they had is done. Returns at once; the caller does the part with the number 0.</summary>
    /// <param name="helpers">How many of them, which have the numbers 1, 2, ….</param>
    /// <param name="work">Called with each number. Threads read it before they begin.</param>
    public void Begin(int helpers, Action<int> work)
    {
        End();
        if (helpers > 0)
        {
            _work = work;
            Volatile.Write(ref _busy, helpers);
            Volatile.Write(ref _order, (((_order >> 16) + 1) << 16) | (uint)helpers);
            _gate.Call();
        }
    }

    /// <summary>Waits until it is done; throws what it has thrown first.</summary>
    public void End()
    {
        if (EndQuietly() is { } problem)
        {
            ExceptionDispatchInfo.Throw(problem);
        }
    }

    /// <summary>Waits until it is done; returns what it has thrown first.</summary>
    public Exception? EndQuietly()
    {
        if (!IsIdle)
        {
            _gate.Until(_isIdle);
        }

        return Interlocked.Exchange(ref _problem, null);
    }

    /// <summary>Ends the threads, when what they have is done.</summary>
    public void Dispose()
    {
        Volatile.Write(ref _stopped, true);
        _gate.Call();
        Array.ForEach(_threads, static thread => thread.Join());
    }

    private void Follow(int number)
    {
        using var home = HomeCore.Claim();
        var seen = 0L;
        Func<bool> isCalled = () => Volatile.Read(ref _order) != seen || Volatile.Read(ref _stopped);
        while (true)
        {
            _gate.Until(isCalled);
            if (Volatile.Read(ref _stopped))
            {
                return;
            }

            seen = Volatile.Read(ref _order);
            if (number > (seen & ushort.MaxValue))
            {
                continue;
            }

            home?.Settle();
            try
            {
                _work(number);
            }
            catch (Exception problem)
            {
                Interlocked.CompareExchange(ref _problem, problem, null);
            }

            Volatile.Write(ref _allocated[number - 1], GC.GetAllocatedBytesForCurrentThread());
            Interlocked.Decrement(ref _busy);
            _gate.Call();
        }
    }
}
