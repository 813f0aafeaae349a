using System.Runtime.CompilerServices;

namespace DistributedTrainer.Channels.Shared;

/// <summary>The sending end of a ring of bytes. One thread at a time.</summary>
/// <remarks>The count of what was written is kept here; what the peer could have changed is never believed.</remarks>
internal sealed unsafe class RingWriter(byte* page, byte* ring)
{
    private long _written;
    private long _announced;

    /// <summary>Bytes that can be written; -1 when the peer's count is impossible.</summary>
    public int Free
    {
        get
        {
            var used = _written - Volatile.Read(ref *(long*)(page + 128));
            return used is < 0 or > Segment.RingBytes ? -1 : Segment.RingBytes - (int)used;
        }
    }

    /// <summary>Copies bytes for which there is room.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        var at = (int)(_written % Segment.RingBytes);
        var first = Math.Min(bytes.Length, Segment.RingBytes - at);
        bytes[..first].CopyTo(new Span<byte>(ring + at, first));
        bytes[first..].CopyTo(new Span<byte>(ring, bytes.Length - first));
        _written += bytes.Length;
    }

    /// <summary>Bytes to the next cache line, where a frame begins.</summary>
    public int PadBytes => RingReader.PadOf((int)(_written % RingReader.Line));

    /// <summary>Leaves bytes as they are for which there is room.</summary>
    public void Skip(int bytes) => _written += bytes;

    /// <summary>Lets the peer see what was written. False when there is nothing new: nobody has to be woken.</summary>
    public bool Announce()
    {
        if (_announced == _written) return false;
        _announced = _written;
        Volatile.Write(ref *(long*)page, _written);
        return true;
    }
}

/// <summary>The receiving end of a ring of bytes. One thread at a time.</summary>
internal sealed unsafe class RingReader(byte* page, byte* ring)
{
    /// <summary>A cache line.</summary>
    public const int Line = 64;

    private long _read;
    private long _announced;

    /// <summary>Bytes that can be read; -1 when the peer's count is impossible.</summary>
    public int Available
    {
        get
        {
            var written = Volatile.Read(ref *(long*)page) - _read;
            return written is < 0 or > Segment.RingBytes ? -1 : (int)written;
        }
    }

    /// <summary>Copies bytes that are available.</summary>
    public void Read(Span<byte> bytes)
    {
        var at = (int)(_read % Segment.RingBytes);
        var first = Math.Min(bytes.Length, Segment.RingBytes - at);
        new ReadOnlySpan<byte>(ring + at, first).CopyTo(bytes);
        new ReadOnlySpan<byte>(ring, bytes.Length - first).CopyTo(bytes[first..]);
        _read += bytes.Length;
    }

    /// <summary>Passes over bytes that are available.</summary>
    public void Skip(int bytes) => _read += bytes;

    /// <summary>Bytes to the next cache line.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int PadOf(int length) => -length & (Line - 1);

    /// <summary>Gives the room of what was read back to the sender. True when it is so much that a waiting sender should hear of it.</summary>
    public bool MakeRoom()
    {
        Volatile.Write(ref *(long*)(page + 128), _read);
        return _read - _announced >= Segment.RingBytes / 4 && Announce();
    }

    /// <summary>False when there is no new room: nobody has to be woken.</summary>
    public bool Announce()
    {
        if (_announced == _read) return false;
        _announced = _read;
        return true;
    }
}
