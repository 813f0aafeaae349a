using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// A core for the thread that computes, so that the workers of a machine do not share one while others are idle. The system
/// notices that by itself only where threads compute for milliseconds; steps of small models take a tenth of one, and may
/// share a core for minutes. A recommendation: the thread is moved there now and then, and the system may move it away.
/// </summary>
internal sealed class HomeCore : IDisposable
{
    // Where the system keeps moving the thread away, it has its reasons: then it is moved back ever more rarely.
    private static readonly long Shortest = Stopwatch.Frequency / 20;
    private static readonly long Longest = Stopwatch.Frequency * 5;

    private readonly Socket _claim;
    private readonly ulong[] _allowed;
    private readonly ulong[] _home;
    private long _interval = Shortest;
    private long _next;

    private HomeCore(Socket claim, ulong[] allowed, int core)
    {
        (_claim, _allowed, Core) = (claim, allowed, core);
        _home = SystemCores.Only(core);
    }

    /// <summary>Its number.</summary>
    public int Core { get; }

    /// <summary>A core that no other worker of this machine has claimed, until it is disposed of or the process ends; null: there is none, or nothing to choose.</summary>
    public static HomeCore? Claim() => Claim("distributed-trainer/core");

    /// <param name="prefix">Claims with another one do not count.</param>
    internal static HomeCore? Claim(string prefix)
    {
        if (SystemCores.Allowed() is not { } allowed || SystemCores.In(allowed) is not { Length: >= 2 } cores)
        {
            return null;
        }

        // The second threads of cores come last.
        foreach (var core in cores.OrderBy(IsSecondThread))
        {
            // A name that ends with its process, and that no file is left of.
            var claim = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            try
            {
                claim.Bind(new UnixDomainSocketEndPoint($"\0{prefix}/{core.ToString(CultureInfo.InvariantCulture)}"));
                return new HomeCore(claim, allowed, core);
            }
            catch (SocketException)
            {
                // Somebody has it.
                claim.Dispose();
            }
        }

        return null;
    }

    /// <summary>Moves the calling thread there, if it is elsewhere and was not moved a moment ago. Some nanoseconds if not.</summary>
    public void Settle()
    {
        var now = Stopwatch.GetTimestamp();
        if (now < _next)
        {
            return;
        }

        if (SystemCores.Current() == Core)
        {
            _interval = Math.Max(Shortest, _interval / 2);
        }
        else if (SystemCores.Restrict(_home))
        {
            // It is there now, and free to leave.
            SystemCores.Restrict(_allowed);
            _interval = Math.Min(Longest, _interval * 2);
        }

        _next = now + _interval;
    }

    /// <summary>Others may have the core.</summary>
    public void Dispose() => _claim.Dispose();

    private static bool IsSecondThread(int core)
    {
        try
        {
            var siblings = File.ReadAllText($"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
            return int.Parse(siblings.AsSpan(0, siblings.AsSpan().IndexOfAnyExceptInRange('0', '9')), CultureInfo.InvariantCulture) != core;
        }
        catch (Exception unknown) when (unknown is IOException or UnauthorizedAccessException or FormatException or ArgumentOutOfRangeException)
        {
            return false;
        }
    }
}
