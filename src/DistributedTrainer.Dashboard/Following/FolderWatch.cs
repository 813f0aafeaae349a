namespace DistributedTrainer.Dashboard.Following;

/// <summary>Says when files of a folder change, by the system's own events.</summary>
internal sealed class FolderWatch : IDisposable
{
    // Where the system has no events left to give, the folder is looked at this often.
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private readonly FileSystemWatcher? _watcher;
    private readonly Timer? _timer;

    /// <param name="directory">The folder.</param>
    /// <param name="changed">Called from any thread, perhaps more often than anything changes.</param>
    /// <param name="names">Files to look for, in folders below too; none: all files of the folder itself.</param>
    public FolderWatch(string directory, Action changed, params string[] names)
    {
        try
        {
            _watcher = new FileSystemWatcher(directory)
            {
                IncludeSubdirectories = names.Length > 0,
                NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.Size | NotifyFilters.LastWrite,
            };
            foreach (var name in names)
            {
                _watcher.Filters.Add(name);
            }

            _watcher.Changed += (_, _) => changed();
            _watcher.Created += (_, _) => changed();
            _watcher.Deleted += (_, _) => changed();
            _watcher.Renamed += (_, _) => changed();

            // Events were lost: whatever changed is found by looking.
            _watcher.Error += (_, _) => changed();
            _watcher.EnableRaisingEvents = true;
        }
        catch (Exception problem) when (problem is IOException or ArgumentException)
        {
            _watcher?.Dispose();
            _watcher = null;
            _timer = new Timer(_ => changed(), null, LookInterval, LookInterval);
        }
    }

    public void Dispose()
    {
        _watcher?.Dispose();
        _timer?.Dispose();
    }
}
