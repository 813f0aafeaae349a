using System.Text;
using System.Text.Json;
using System.Threading.Channels;

namespace DistributedTrainer.Dashboard.Following;

/// <summary>A run that can be looked at.</summary>
/// <param name="Id">The name of its folder.</param>
/// <param name="State">running, done, or ended.</param>
/// <param name="Metrics">Of result.json; null: it has none.</param>
internal sealed record RunEntry(string Id, string State, JsonElement? Metrics);

/// <summary>
/// The runs that are shown: one, or all in a folder, also those that come later. A run is asked for by the name of its
/// folder, which is looked up among those that were found here: no path is ever made of what a browser sends.
/// </summary>
internal sealed class RunCatalogue : IDisposable
{
    private const string Mark = "experiment.yaml";

    // What is written into a folder before the system watches it too is found by looking once more.
    private static readonly TimeSpan SettlingTime = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, string> _added = [];
    private readonly Dictionary<string, RunFollower> _followers = [];
    private readonly List<ChannelWriter<bool>> _readers = [];
    private readonly string? _root;
    private readonly Action<string> _looked;
    private readonly FolderWatch? _watch;
    private readonly FolderWatch? _folders;
    private readonly Timer _settled;

    /// <param name="root">A run's folder, or a folder of such folders; null: runs are added.</param>
    /// <param name="looked">Told the name of a run whenever somebody looks at it.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public RunCatalogue(string? root, Action<string>? looked = null)
    {
        _looked = looked ?? (static _ => { });
        _settled = new Timer(_ => Changed());
        if (root is null)
        {
            return;
        }

        root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));
        if (!Directory.Exists(root))
        {
            throw new DirectoryNotFoundException($"{root}: there is no such folder. Name the folder of a run, or the one that holds the runs.");
        }

        if (File.Exists(Path.Combine(root, Mark)))
        {
            Add(root);
            return;
        }

        _root = root;
        _watch = new FolderWatch(root, Changed, Mark, "result.json", "ended.txt");
        _folders = new FolderWatch(root, () => _settled.Change(SettlingTime, Timeout.InfiniteTimeSpan));
    }

    /// <summary>Shows this run too.</summary>
    public void Add(string directory)
    {
        directory = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
        lock (_gate)
        {
            _added[Path.GetFileName(directory)] = directory;
        }

        Changed();
    }

    /// <summary>All runs, the newest name last.</summary>
    public RunEntry[] Runs => [.. Directories().OrderBy(static pair => pair.Key, StringComparer.Ordinal).Select(static pair => Entry(pair.Key, pair.Value))];

    /// <summary>Follows a run; null: there is none of that name.</summary>
    public RunFollower? Find(string id)
    {
        lock (_gate)
        {
            if (_followers.TryGetValue(id, out var known))
            {
                _looked(id);
                return known;
            }
        }

        if (!Directories().TryGetValue(id, out var directory))
        {
            return null;
        }

        _looked(id);
        lock (_gate)
        {
            return _followers.TryGetValue(id, out var known) ? known : _followers[id] = new RunFollower(directory);
        }
    }

    /// <summary>Wakes a reader when runs come or end.</summary>
    public IDisposable Wake(ChannelWriter<bool> reader)
    {
        lock (_gate)
        {
            _readers.Add(reader);
        }

        return new Reader(this, reader);
    }

    public void Dispose()
    {
        _watch?.Dispose();
        _folders?.Dispose();
        _settled.Dispose();
        lock (_gate)
        {
            foreach (var follower in _followers.Values)
            {
                follower.Dispose();
            }
        }
    }

    private Dictionary<string, string> Directories()
    {
        Dictionary<string, string> found;
        lock (_gate)
        {
            found = new(_added, StringComparer.Ordinal);
        }

        if (_root is not null && Directory.Exists(_root))
        {
            foreach (var directory in Directory.EnumerateDirectories(_root).Where(static directory => File.Exists(Path.Combine(directory, Mark))))
            {
                found[Path.GetFileName(directory)] = directory;
            }
        }

        return found;
    }

    private static RunEntry Entry(string id, string directory)
    {
        var result = Path.Combine(directory, "result.json");
        try
        {
            var json = File.Exists(result) ? JsonLine.Parse(Encoding.UTF8.GetBytes(File.ReadAllText(result))) : null;
            var ended = File.Exists(Path.Combine(directory, "ended.txt"));
            return new RunEntry(id, ended ? "ended" : json is null ? "running" : "done", json is { } some && some.TryGetProperty("metrics", out var metrics) ? metrics : null);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            // It is being replaced, or is not for this user: the run is there all the same.
            return new RunEntry(id, "unreadable", null);
        }
    }

    private void Changed()
    {
        lock (_gate)
        {
            _readers.ForEach(static reader => reader.TryWrite(true));
        }
    }

    private sealed class Reader(RunCatalogue catalogue, ChannelWriter<bool> writer) : IDisposable
    {
        public void Dispose()
        {
            lock (catalogue._gate)
            {
                catalogue._readers.Remove(writer);
            }
        }
    }
}
