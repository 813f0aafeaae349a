using System.Globalization;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>The memory of one process of a cluster on this machine.</summary>
/// <param name="Role">As in nodes.json.</param>
/// <param name="OwnMegabytes">That is its own: heaps and stacks. The system cannot take it back.</param>
/// <param name="FileMegabytes">Pages of files that it has looked at, the data among them: processes share them, and the system takes them back when memory is short.</param>
internal sealed record NodeFootprint(string Role, double OwnMegabytes, double FileMegabytes)
{
    private const double KilobytesOfMegabyte = 1024;

    /// <summary>Of each node of a run; empty where there is no /proc.</summary>
    public static IReadOnlyList<NodeFootprint> Of(Submissions.View view) => OperatingSystem.IsLinux()
        ? [.. view.Nodes.DistinctBy(static node => node.ProcessId).Select(static node => Of(node.Role, File.ReadAllLines($"/proc/{node.ProcessId}/status")))]
        : [];

    /// <summary>Reads the lines of /proc/PID/status.</summary>
    internal static NodeFootprint Of(string role, IReadOnlyList<string> status) => new(role, Megabytes(status, "RssAnon:"), Megabytes(status, "RssFile:"));

    private static double Megabytes(IReadOnlyList<string> status, string name)
    {
        var line = status.First(line => line.StartsWith(name, StringComparison.Ordinal));
        return Rounded.To(double.Parse(line[name.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) / KilobytesOfMegabyte, 1);
    }
}
