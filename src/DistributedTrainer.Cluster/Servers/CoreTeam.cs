namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// Runs the blocks of a piece of work on all cores: the caller's thread and one more for each other core, which sleep in
/// between. Which thread takes which block changes no result, since blocks touch different memory.
/// </summary>
internal sealed class CoreTeam
{
    private readonly object _one = new();

    // Helpers wait here without spinning: between two updates the cores belong to the workers.
    private readonly object _gate = new();
    private readonly int _helpers;
    private readonly ulong[]? _cores = SystemCores.Allowed();

    // The system's numbers of the helpers; 0: not known. Within the gate, as what follows.
    private readonly int[] _threads;
    private int _callersCore = -1;
    private Action<int> _body = static _ => { };
    private int _blocks;
    private int _next;
    private int _busy;
    private int _wanted;
    private Exception? _problem;

    /// <summary>Starts the helpers.</summary>
    /// <param name="cores">Threads that work at once, with the caller's.</param>
    public CoreTeam(int cores)
    {
        _helpers = Math.Max(0, cores - 1);
        _threads = new int[_helpers];
        for (var i = 0; i < _helpers; i++)
        {
            var number = i;
            new Thread(() => Help(number)) { IsBackground = true, Name = $"update helper {i}" }.Start();
        }
    }

    /// <summary>The team of this process: while servers update, the workers of the host wait.</summary>
    public static CoreTeam Shared { get; } = new(Environment.ProcessorCount);

    /// <summary>Calls the body once for each block; returns when all are done. Where the team is busy already, the caller works alone.</summary>
    /// <param name="blocks">So many.</param>
    /// <param name="body">Takes a block's number.</param>
    /// <param name="half">Whether half of the cores are left to others.</param>
    public void Run(int blocks, Action<int> body, bool half = false)
    {
        var most = half ? ((_helpers + 1) / 2) - 1 : _helpers;
        if (most < 1 || blocks < 2 || !Monitor.TryEnter(_one))
        {
            for (var block = 0; block < blocks; block++)
            {
                body(block);
            }

            return;
        }

        try
        {
            var helpers = Math.Min(most, blocks - 1);
            lock (_gate)
            {
                KeepApart();
                (_body, _blocks, _next, _problem) = (body, blocks, 0, null);
                _wanted = helpers;
                Monitor.PulseAll(_gate);
            }

            Work();
            lock (_gate)
            {
                // Who has not begun by now is not needed any more.
                _wanted = 0;
                while (_busy > 0)
                {
                    Monitor.Wait(_gate);
                }
            }

            if (_problem is { } problem)
            {
                throw new InvalidOperationException($"update: {problem.Message}", problem);
            }
        }
        finally
        {
            Monitor.Exit(_one);
        }
    }

    /// <summary>
    /// Keeps the helpers from the caller's core. While workers look for the next version themselves no core is idle, so that the
    /// system leaves who is woken on the core of whoever woke it: all would work one after the other, and the other core turn in
    /// circles; on that core a helper is let in at the next look.
    /// </summary>
    private void KeepApart()
    {
        if (_cores is null || SystemCores.Current() is var core && core == _callersCore)
        {
            return;
        }

        var others = SystemCores.Without(_cores, core);
        if (others.AsSpan().IndexOfAnyExcept(0UL) < 0)
        {
            return;
        }

        _callersCore = core;
        foreach (var thread in _threads)
        {
            if (thread != 0)
            {
                SystemCores.Restrict(others, thread);
            }
        }
    }

    private void Help(int number)
    {
        lock (_gate)
        {
            // It may be kept apart from the next change on.
            (_threads[number], _callersCore) = (SystemCores.Thread(), -1);
        }

        while (true)
        {
            lock (_gate)
            {
                while (_wanted == 0)
                {
                    Monitor.Wait(_gate);
                }

                _wanted--;
                _busy++;
            }

            Work();
            lock (_gate)
            {
                if (--_busy == 0)
                {
                    Monitor.PulseAll(_gate);
                }
            }
        }
    }

    private void Work()
    {
        try
        {
            for (var block = Interlocked.Increment(ref _next) - 1; block < _blocks; block = Interlocked.Increment(ref _next) - 1)
            {
                _body(block);
            }
        }
        catch (Exception problem)
        {
            _problem = problem;
        }
    }
}
