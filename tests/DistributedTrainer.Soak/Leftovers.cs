namespace DistributedTrainer.Soak;

/// <summary>What must not be there when all is over.</summary>
internal static class Leftovers
{
    /// <summary>Sockets of these processes, and files of shared memory that came meanwhile.</summary>
    /// <param name="processes">Ids.</param>
    /// <param name="memoryBefore">What <see cref="SharedMemoryFiles"/> said before.</param>
    public static IReadOnlyList<string> Of(IReadOnlySet<int> processes, IEnumerable<string> memoryBefore) =>
    [
        .. processes.Where(static id => Directory.Exists($"/proc/{id}")).Select(static id => $"process {id} is still there"),
        .. Directory.EnumerateFiles(Path.GetTempPath(), "dtrain-*.sock").Where(path => processes.Any(id => path.Contains($"-{id}-", StringComparison.Ordinal))),
        .. SharedMemoryFiles().Except(memoryBefore),
    ];

    /// <summary>Named segments, of which the program has none.</summary>
    public static IReadOnlyList<string> SharedMemoryFiles() =>
        Directory.Exists("/dev/shm") ? [.. Directory.EnumerateFiles("/dev/shm").Where(static path => path.Contains("dtrain", StringComparison.OrdinalIgnoreCase))] : [];
}
