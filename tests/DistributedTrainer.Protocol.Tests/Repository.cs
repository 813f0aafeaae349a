namespace DistributedTrainer.Protocol.Tests;

/// <summary>The files of the project, for tests that read them.</summary>
internal static class Repository
{
    /// <summary>The folder of the solution, found upward from the test assembly.</summary>
    public static string Root { get; } = Find(new DirectoryInfo(AppContext.BaseDirectory));

    private static string Find(DirectoryInfo? folder)
    {
        for (; folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "DistributedTrainer.sln"))) return folder.FullName;
        }

        throw new InvalidOperationException($"no DistributedTrainer.sln above {AppContext.BaseDirectory}");
    }
}
