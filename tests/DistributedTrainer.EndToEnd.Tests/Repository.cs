namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>The files of the project that the tests run as a user would.</summary>
internal static class Repository
{
    /// <summary>A path under the folder of the solution.</summary>
    public static string PathOf(params string[] parts)
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "DistributedTrainer.sln")))
        {
            folder = folder.Parent ?? throw new InvalidOperationException("The tests run outside the repository.");
        }

        return Path.Combine([folder.FullName, .. parts]);
    }
}
