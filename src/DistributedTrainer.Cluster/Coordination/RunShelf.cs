using DistributedTrainer.Protocol;
using Microsoft.Win32.SafeHandles;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// Answers what a visitor asks of run folders. A run is looked up by its folder's name among those that are there, and its
/// files are a fixed list: no path is made of what was sent. Nothing is kept between two questions.
/// </summary>
/// <param name="runs">The folder of runs; it need not be there.</param>
/// <param name="elsewhere">Runs that may lie in other folders: name → folder.</param>
public sealed class RunShelf(string runs, IReadOnlyDictionary<string, string> elsewhere)
{
    /// <summary>The most runs of one answer: with names of any length it fits into a message.</summary>
    public const int MostListed = 100;

    /// <summary>The runs behind a name.</summary>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    public RunFiles.Runs List(string after)
    {
        var folders = Here().ToDictionary(static path => Path.GetFileName(path), StringComparer.Ordinal);
        foreach (var (name, folder) in elsewhere)
        {
            folders[name] = folder;
        }

        var found = folders.Where(run => RunFileNames.IsFolder(run.Key) && string.CompareOrdinal(run.Key, after) > 0)
            .OrderBy(static run => run.Key, StringComparer.Ordinal)
            .Where(static run => IsRun(run.Value))
            .Take(MostListed + 1)
            .ToArray();
        return new RunFiles.Runs([.. found.Take(MostListed).Select(static run => new RunFiles.ListedRun(run.Key, StateOf(run.Value)))], found.Length > MostListed);
    }

    /// <summary>What is new in the files of a run, in a bounded answer.</summary>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    public RunFiles.News News(RunFiles.AskNews ask)
    {
        if (!RunFileNames.IsFolder(ask.Run) || FolderOf(ask.Run) is not { } folder)
        {
            return new RunFiles.News(ask.Run, IsKnown: false, [], More: false);
        }

        var (pieces, room, more) = (new List<RunFiles.Piece>(), RunFileNames.LargestAnswer, false);
        foreach (var file in RunFileNames.All.Where(file => ask.Growing || !RunFileNames.Grows(file)))
        {
            if (PieceOf(Path.Combine(folder, file), file, Array.Find(ask.Marks, mark => mark.File == file), room) is not { } piece)
            {
                continue;
            }

            if (room == 0)
            {
                more = true;
                break;
            }

            pieces.Add(piece);
            room -= piece.Bytes.Length;
            more |= piece.Offset + piece.Bytes.Length < piece.Length;
        }

        return new RunFiles.News(ask.Run, IsKnown: true, [.. pieces], more);
    }

    /// <summary>What follows of a file; null: nothing.</summary>
    private static RunFiles.Piece? PieceOf(string path, string file, RunFiles.Mark? mark, int room)
    {
        var grows = RunFileNames.Grows(file);
        using var handle = Open(path);
        var length = handle is null ? 0 : RandomAccess.GetLength(handle);
        if (handle is null || (!grows && length > RunFileNames.LargestReplaced))
        {
            return mark is null ? null : new RunFiles.Piece(file, 0, -1, 0, []);
        }

        var stamp = grows ? 0 : File.GetLastWriteTimeUtc(handle).Ticks;
        var isSame = mark is { Length: >= 0 } && mark.Length <= length && (grows ? IsWitnessed(handle, mark) : mark.Stamp == stamp);
        var from = isSame ? mark!.Length : 0;
        if (isSame && from == length)
        {
            return null;
        }

        var bytes = new byte[Math.Min(room, length - from)];
        var count = Read(handle, bytes, from);
        return new RunFiles.Piece(file, from, length, stamp, count == bytes.Length ? bytes : bytes[..count]);
    }

    private static bool IsWitnessed(SafeFileHandle file, RunFiles.Mark mark)
    {
        if (mark.Witness.Length != Math.Min(mark.Length, RunFileNames.WitnessLength))
        {
            return false;
        }

        var there = new byte[mark.Witness.Length];
        return Read(file, there, mark.Length - there.Length) == there.Length && there.AsSpan().SequenceEqual(mark.Witness);
    }

    private static int Read(SafeFileHandle file, Span<byte> bytes, long from)
    {
        var count = 0;
        while (count < bytes.Length && RandomAccess.Read(file, bytes[count..], from + count) is > 0 and var read)
        {
            count += read;
        }

        return count;
    }

    /// <summary>Null: it is not there, or not for this process.</summary>
    private static SafeFileHandle? Open(string path)
    {
        try
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static long StateOf(string folder)
    {
        // FNV-1a over lengths and times: the same for the next coordinator.
        var state = 14695981039346656037UL;
        foreach (var file in RunFileNames.All)
        {
            var info = new FileInfo(Path.Combine(folder, file));
            Add(info.Exists ? info.Length : -1);
            Add(info.Exists ? info.LastWriteTimeUtc.Ticks : 0);
        }

        return unchecked((long)state);

        void Add(long value) => state = unchecked((state ^ (ulong)value) * 1099511628211UL);
    }

    private IEnumerable<string> Here() => Directory.Exists(runs) ? Directory.EnumerateDirectories(runs) : [];

    /// <summary>The folder of a run; null: there is none of that name.</summary>
    private string? FolderOf(string name)
    {
        var folder = elsewhere.GetValueOrDefault(name) ?? Here().FirstOrDefault(path => Path.GetFileName(path) == name);
        return folder is not null && IsRun(folder) ? folder : null;
    }

    private static bool IsRun(string folder) => File.Exists(Path.Combine(folder, RunFolder.ExperimentName));
}
