using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// What a coordinator does that nobody stands beside, as in a container: it goes on with a run that was interrupted together
/// with all its nodes, and begins the first experiment by itself, once.
/// </summary>
public sealed record StandingOrders
{
    private const string ExperimentName = "experiment.yaml";

    /// <summary>The folder in which runs are looked for that were interrupted.</summary>
    public required string Runs { get; init; }

    /// <summary>What is begun where its run directory holds no run yet; null: nothing.</summary>
    public Submissions.Submit? First { get; init; }

    /// <summary>Told what becomes of runs; nobody else may be watching.</summary>
    public Action<string> Told { get; init; } = static _ => { };

    /// <summary>
    /// The run that goes on, the newest where there are several; else the first one, where it has not been begun; null: nothing
    /// is left to do. A run that ended, be it by a failure, is nobody's any more.
    /// </summary>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public Submissions.Submit? Next()
    {
        if (Directory.Exists(Runs)
            && Directory.EnumerateDirectories(Runs).Where(static folder => File.Exists(Path.Combine(folder, ExperimentName)) && !RunFolder.IsEnded(folder)).MaxBy(LastWritten) is { } interrupted)
        {
            var folder = Path.GetFullPath(interrupted);
            return new Submissions.Submit(File.ReadAllText(Path.Combine(folder, ExperimentName)), ExperimentName, folder, folder, EndCluster: false, Resume: true);
        }

        return First is { RunDirectory: { } first } && !File.Exists(Path.Combine(first, ExperimentName)) ? First : null;
    }

    private static DateTime LastWritten(string folder) => Directory.EnumerateFiles(folder).Max(File.GetLastWriteTimeUtc);
}
