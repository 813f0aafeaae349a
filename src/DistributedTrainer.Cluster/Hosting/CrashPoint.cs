using System.Diagnostics;
using System.Globalization;

namespace DistributedTrainer.Cluster;

/// <summary>
/// Places in the protocol at which a process can be made to die as by SIGKILL, so that tests can show what its death costs
/// just there. The environment names them; without, as everywhere but in tests, they do nothing.
/// </summary>
/// <remarks>
/// <c>DTRAIN_CRASH_AT=FOLDER|point@n,point@n</c>: the first process that reaches the point with a number of n or more leaves
/// a file with the point's name in the folder and dies. Each happens once, however often processes are launched again.
/// </remarks>
internal static class CrashPoint
{
    private static readonly (string Folder, Dictionary<string, long> From)? Wanted = Parse(Environment.GetEnvironmentVariable("DTRAIN_CRASH_AT"));

    /// <summary>Dies here, if that is wanted.</summary>
    /// <param name="point">The place.</param>
    /// <param name="number">Such as the step.</param>
    public static void Reach(string point, long number)
    {
        if (Wanted is not null)
        {
            ReachWanted(point, number);
        }
    }

    private static void ReachWanted(string point, long number)
    {
        var (folder, from) = Wanted!.Value;
        if (!from.TryGetValue(point, out var first) || number < first)
        {
            return;
        }

        try
        {
            using var mark = new FileStream(Path.Combine(folder, point), FileMode.CreateNew);
            mark.Write(System.Text.Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{number}\n")));
        }
        catch (IOException)
        {
            // It has happened.
            return;
        }

        Process.GetCurrentProcess().Kill();
        Thread.Sleep(Timeout.Infinite);
    }

    private static (string Folder, Dictionary<string, long> From)? Parse(string? text)
    {
        if (text?.Split('|') is not [var folder, var points])
        {
            return null;
        }

        return (folder, points.Split(',').Select(static point => point.Split('@')).ToDictionary(static pair => pair[0], static pair => long.Parse(pair[1], CultureInfo.InvariantCulture)));
    }
}
