namespace DistributedTrainer.Cluster.Coordination;

/// <summary>What a file that cannot be written throws.</summary>
internal static class WriteProblem
{
    /// <summary>
    /// Whether it is the file, or the disk, and not this program. A file that would grow beyond what its file system, or a limit
    /// of the process, allows is an argument out of range to the runtime.
    /// </summary>
    public static bool Is(Exception problem) => problem is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value" };

    /// <summary>In one line.</summary>
    public static string Text(Exception problem) => problem is ArgumentOutOfRangeException ? "A file would grow beyond what its file system, or a limit of the process, allows." : problem.Message;
}
