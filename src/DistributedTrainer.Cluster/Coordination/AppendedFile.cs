using System.Text;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>
/// A file of lines that grows. What cannot be written, such as on a full disk, stays in memory and is tried again: no
/// line is lost, and none is written by halves and then again.
/// </summary>
internal sealed class AppendedFile : IDisposable
{
    // More than this is not kept while nothing can be written.
    private const int MostBytes = 64 << 20;

    private readonly Stream _file;
    private readonly MemoryStream _waiting = new();
    private long _length;

    /// <param name="path">Where.</param>
    /// <param name="goesOn">Whether what is there stays.</param>
    public AppendedFile(string path, bool goesOn)
        : this(new FileStream(path, goesOn ? FileMode.OpenOrCreate : FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0))
    {
    }

    /// <param name="file">What is written to, from its end on; closed at the end.</param>
    internal AppendedFile(Stream file) => (_file, _length) = (file, file.Length);

    /// <summary>Why the last attempt to write failed; null: it did not.</summary>
    public string? Problem { get; private set; }

    /// <summary>Bytes that are in it, or waiting.</summary>
    public long Length => _length + _waiting.Length;

    public void Add(string line)
    {
        if (_waiting.Length < MostBytes)
        {
            _waiting.Write(Encoding.UTF8.GetBytes(line + "\n"));
        }
    }

    /// <summary>Writes what is waiting, if it can be.</summary>
    public void Flush()
    {
        if (_waiting.Length == 0)
        {
            return;
        }

        try
        {
            // A line of which a part was written before is written over.
            _file.Position = _length;
            _file.Write(_waiting.GetBuffer(), 0, (int)_waiting.Length);
            _length += _waiting.Length;
            _waiting.SetLength(0);
            Problem = null;
        }
        catch (Exception problem) when (WriteProblem.Is(problem))
        {
            Problem = WriteProblem.Text(problem);
        }
    }

    public void Dispose()
    {
        Flush();
        _file.Dispose();
    }
}
