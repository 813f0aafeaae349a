using System.Runtime.InteropServices;

namespace DistributedTrainer.Cluster;

/// <summary>Which cores threads may run on, as the system has it: sets of 64 cores a word. Linux; elsewhere nothing is known.</summary>
internal static class SystemCores
{
    // As many bits as the system's largest machines need.
    private const int Words = 64;

    /// <summary>Those that the calling thread may run on; null: not known.</summary>
    public static ulong[]? Allowed()
    {
        var allowed = new ulong[Words];
        return OperatingSystem.IsLinux() && GetAffinity(0, Words * sizeof(ulong), allowed) >= 0 ? allowed : null;
    }

    /// <summary>The numbers of the cores in a set.</summary>
    public static int[] In(ulong[] set) => [.. Enumerable.Range(0, set.Length * 64).Where(core => Has(set, core))];

    /// <summary>A set of one core.</summary>
    public static ulong[] Only(int core)
    {
        var set = new ulong[Words];
        set[core / 64] = 1UL << (core % 64);
        return set;
    }

    /// <summary>A set without one of its cores.</summary>
    public static ulong[] Without(ulong[] set, int core)
    {
        var others = set.ToArray();
        others[core / 64] &= ~(1UL << (core % 64));
        return others;
    }

    /// <summary>Whether a core is in a set.</summary>
    public static bool Has(ulong[] set, int core) => (set[core / 64] >> (core % 64) & 1) != 0;

    /// <summary>Lets a thread run on these cores only; where it runs on another one it is moved at once.</summary>
    /// <param name="cores">Not empty.</param>
    /// <param name="thread">See <see cref="Thread"/>; 0: the calling one.</param>
    /// <returns>Whether the system did so.</returns>
    public static bool Restrict(ulong[] cores, int thread = 0) => SetAffinity(thread, cores.Length * sizeof(ulong), cores) == 0;

    /// <summary>The core that the calling thread runs on at the moment.</summary>
    [DllImport("libc", EntryPoint = "sched_getcpu")]
    public static extern int Current();

    /// <summary>The system's number of the calling thread; 0: not known.</summary>
    public static int Thread()
    {
        try
        {
            return OperatingSystem.IsLinux() ? GetThread() : 0;
        }
        catch (EntryPointNotFoundException)
        {
            // A C library from before 2019.
            return 0;
        }
    }

    [DllImport("libc", EntryPoint = "gettid")]
    private static extern int GetThread();

    [DllImport("libc", EntryPoint = "sched_getaffinity")]
    private static extern int GetAffinity(int thread, nint bytes, [Out] ulong[] cores);

    [DllImport("libc", EntryPoint = "sched_setaffinity")]
    private static extern int SetAffinity(int thread, nint bytes, ulong[] cores);
}
