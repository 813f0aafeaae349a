using System.Runtime.InteropServices;
using DistributedTrainer.Channels.Shared;

namespace DistributedTrainer.Channels;

/// <summary>Memory that a peer on this host can read in place.</summary>
public static class SharedMemory
{
    /// <summary>Null, or why processes can't share memory on this machine: not Linux on x64 or arm64, or forbidden by the container.</summary>
    public static string? Problem => MemoryFile.Problem;

    /// <summary>
    /// Zeros, on a 64-byte border, that never move. A payload of 4 KiB or more that lies in them is lent when it is posted
    /// on a shared-memory channel: no copy. Where memory can't be shared they are the process's own, and are copied as any
    /// other: callers need not care (<see cref="SharedBuffer.PrivateBecause"/> says why). Their pages exist when this
    /// returns.
    /// </summary>
    /// <param name="floats">Number of float32 elements, 0 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">Negative, or 2 GiB or more.</exception>
    public static SharedBuffer Allocate(int floats)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(floats);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(floats, int.MaxValue / sizeof(float));
        return new SharedBuffer(SharedPool.Instance, floats * sizeof(float));
    }
}

/// <summary>A buffer from <see cref="SharedMemory.Allocate"/>. Dispose of it, once nobody uses its bytes: it is not collected.</summary>
public sealed unsafe class SharedBuffer : IDisposable
{
    private readonly SharedPool _pool;
    private readonly SharedRegion? _region;
    private readonly long _offset;
    private readonly long _taken;
    private nint _start;

    internal SharedBuffer(SharedPool pool, int bytes)
    {
        _pool = pool;
        Length = bytes;
        _taken = Math.Max(SharedPool.Alignment, ((long)bytes + SharedPool.Alignment - 1) / SharedPool.Alignment * SharedPool.Alignment);
        _region = pool.Rent(_taken, out _offset, out var reason);
        PrivateBecause = _region is null ? reason : null;
        var start = _region is null ? NativeMemory.AlignedAlloc((nuint)_taken, SharedPool.Alignment) : _region.Start + _offset;
        NativeMemory.Clear(start, (nuint)_taken);
        _start = (nint)start;
    }

    /// <summary>Bytes.</summary>
    public int Length { get; }

    /// <summary>Null: a peer can read it in place. Else why not.</summary>
    public string? PrivateBecause { get; }

    /// <summary>All bytes.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public Span<byte> Bytes
    {
        get
        {
            ObjectDisposedException.ThrowIf(_start == 0, this);
            return new Span<byte>((void*)_start, Length);
        }
    }

    /// <summary>All elements.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public Span<float> Floats => MemoryMarshal.Cast<byte, float>(Bytes);

    /// <summary>
    /// Gives the memory back. A payload that lies in it must have been released; a span of it must not be used any more.
    /// </summary>
    public void Dispose()
    {
        var start = Interlocked.Exchange(ref _start, 0);
        if (start == 0) return;
        if (_region is null) NativeMemory.AlignedFree((void*)start);
        else _pool.Return(_region, _offset, _taken);
    }
}
