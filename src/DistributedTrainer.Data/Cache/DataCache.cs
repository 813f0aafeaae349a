using System.Security.Cryptography;
using System.Text;

namespace DistributedTrainer.Data;

/// <summary>
/// A folder with what was made of large files once, by their checksums: it may be deleted at any time. It is
/// DTRAIN_CACHE, or dtrain in the user's cache folder.
/// </summary>
internal static class DataCache
{
    // A file that was written shortly before its checksum may be written again within the same tick of the clock.
    private static readonly TimeSpan Unsure = TimeSpan.FromSeconds(2);

    public static string Folder
    {
        get
        {
            if (Environment.GetEnvironmentVariable("DTRAIN_CACHE") is { Length: > 0 } chosen)
            {
                return Path.GetFullPath(chosen);
            }

            var user = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache ? cache
                : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } home ? Path.Combine(home, ".cache")
                : Path.GetTempPath();
            return Path.Combine(user, "dtrain");
        }
    }

    /// <summary>The entry of a key, locked against other threads and processes until it is disposed.</summary>
    /// <exception cref="IOException">The folder cannot be written to.</exception>
    public static CacheEntry Enter(string key) => new(Folder, key);

    /// <summary>What was computed of files that have not changed since: their paths, lengths and times of writing are the same.</summary>
    public static string Remembered(string kind, string[] files, Func<string> compute)
    {
        var infos = Array.ConvertAll(files, static file => new FileInfo(file));
        var names = string.Join('\n', infos.Select(static info => $"{info.FullName}|{info.Length}|{info.LastWriteTimeUtc.Ticks}").Prepend(kind));
        var key = $"note-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(names)))}";
        var note = Path.Combine(Folder, key);
        try
        {
            // The processes of a machine begin together: one of them reads the files, the others wait for what it finds.
            using var entry = Enter(key);
            if (File.Exists(note) && infos.All(info => File.GetLastWriteTimeUtc(note) - info.LastWriteTimeUtc > Unsure))
            {
                return File.ReadAllText(note);
            }

            var value = compute();
            var temporary = $"{note}.new-{Environment.MachineName}";
            File.WriteAllText(temporary, value);
            File.Move(temporary, note, overwrite: true);
            return value;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            // What cannot be noted is computed each time: nothing is lost but time.
            return compute();
        }
    }
}

/// <summary>One entry of the cache: a folder that is there as a whole, or not.</summary>
internal sealed class CacheEntry : IDisposable
{
    private readonly Mutex _lock;
    private readonly string _folder;

    public CacheEntry(string cache, string key)
    {
        _folder = Path.Combine(cache, key);
        try
        {
            Directory.CreateDirectory(cache);
        }
        catch (UnauthorizedAccessException problem)
        {
            throw new IOException($"{problem.Message} Large data is unpacked there once; name another folder in DTRAIN_CACHE.", problem);
        }

        // Of the whole machine, whatever sessions its processes belong to; each cache has its own.
        _lock = new Mutex(initiallyOwned: false, $"Global\\dtrain-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(cache)))[..16]}-{key}");
        try
        {
            _lock.WaitOne();
        }
        catch (AbandonedMutexException)
        {
            // Whoever held it died while writing: what it left is begun anew.
        }

        DeletePartial();
    }

    /// <summary>Whether the files are there.</summary>
    public bool IsComplete => Directory.Exists(_folder);

    // Machines that share the cache's disk do not see each other's locks: each writes into a folder of its own.
    private string Partial => $"{_folder}.partial-{Environment.MachineName}";

    /// <summary>The path of a file of a complete entry.</summary>
    public string File(string name) => Path.Combine(_folder, name);

    /// <summary>A new file of an entry that is being made.</summary>
    public FileStream Create(string name)
    {
        Directory.CreateDirectory(Partial);
        return new FileStream(Path.Combine(Partial, name), FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20);
    }

    /// <summary>From here on the entry is there. All its files are closed.</summary>
    public void Complete()
    {
        try
        {
            Directory.Move(Partial, _folder);
        }
        catch (IOException) when (IsComplete)
        {
            // Another machine was faster; it has written the same.
        }
    }

    /// <summary>Removes the files: the entry is made anew. Whoever has mapped them keeps what it has.</summary>
    public void Discard() => Directory.Delete(_folder, recursive: true);

    public void Dispose()
    {
        DeletePartial();
        _lock.ReleaseMutex();
        _lock.Dispose();
    }

    private void DeletePartial()
    {
        if (Directory.Exists(Partial))
        {
            Directory.Delete(Partial, recursive: true);
        }
    }
}
