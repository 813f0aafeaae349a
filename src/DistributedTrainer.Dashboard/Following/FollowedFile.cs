namespace DistributedTrainer.Dashboard.Following;

/// <summary>
/// A file of lines that grows: each look gives the whole lines that came since the last one. Where the file was replaced by
/// one that goes on differently, it is read from its beginning.
/// </summary>
/// <param name="path">The file; it need not be there yet.</param>
/// <param name="tailOnly">Of what is there at first only the last 64 KB.</param>
internal sealed class FollowedFile(string path, bool tailOnly = false)
{
    // Whether the file is still the one that was read shows in the bytes before the place up to which it was.
    private const int Witness = 256;
    private const int Tail = 64 << 10;

    // No line of a run is nearly as long; one that is comes from elsewhere, and is left out.
    private const int LongestLine = 4 << 20;

    private long _position;
    private byte[] _before = [];
    private bool _inLongLine;

    /// <summary>Reads what is new.</summary>
    /// <param name="restart">Called before the first line where all lines come again.</param>
    /// <param name="line">Called with each line, without its end.</param>
    /// <returns>Whether there was anything.</returns>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public bool Read(Action restart, Action<ReadOnlyMemory<byte>> line)
    {
        FileStream stream;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }

        using (stream)
        {
            var any = false;
            if (!IsSame(stream))
            {
                (_position, _before, _inLongLine, any) = (0, [], false, true);
                restart();
            }

            if (_position == 0 && tailOnly && stream.Length > Tail)
            {
                // The first line is one by halves.
                (_position, _inLongLine) = (stream.Length - Tail, true);
            }

            return ReadLines(stream, line) || any;
        }
    }

    private bool IsSame(FileStream stream)
    {
        if (_before.Length == 0 || stream.Length < _position)
        {
            return stream.Length >= _position;
        }

        var there = new byte[_before.Length];
        stream.Position = _position - there.Length;
        return stream.ReadAtLeast(there, there.Length, throwOnEndOfStream: false) == there.Length && there.AsSpan().SequenceEqual(_before);
    }

    private bool ReadLines(FileStream stream, Action<ReadOnlyMemory<byte>> line)
    {
        var (buffer, filled, any) = (new byte[64 << 10], 0, false);
        stream.Position = _position;
        while (true)
        {
            var count = stream.Read(buffer, filled, buffer.Length - filled);
            if (count == 0)
            {
                return any;
            }

            filled += count;
            var begin = 0;
            while (buffer.AsSpan(begin, filled - begin).IndexOf((byte)'\n') is >= 0 and var length)
            {
                if (!_inLongLine && length > 0)
                {
                    line(buffer.AsMemory(begin, length));
                    any = true;
                }

                (_inLongLine, begin) = (false, begin + length + 1);
            }

            if (begin == 0 && filled == buffer.Length)
            {
                if (buffer.Length < LongestLine)
                {
                    Array.Resize(ref buffer, buffer.Length * 2);
                    continue;
                }

                (_inLongLine, begin) = (true, filled);
            }

            if (begin > 0)
            {
                _position += begin;
                _before = buffer.AsSpan(Math.Max(0, begin - Witness), Math.Min(begin, Witness)).ToArray();
                buffer.AsSpan(begin, filled - begin).CopyTo(buffer);
                filled -= begin;
            }
        }
    }
}
