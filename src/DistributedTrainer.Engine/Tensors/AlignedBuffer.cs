using System.Runtime.InteropServices;

namespace DistributedTrainer.Engine.Tensors;

/// <summary>
/// Float32 numbers, zero at first, that begin on a 64-byte border (one cache line, one 512-bit register) and never
/// move, so that a channel may hand their address to the operating system.
/// </summary>
public sealed class AlignedBuffer
{
    private const int Alignment = 64;
    private readonly float[] _array;
    private readonly int _start;

    /// <summary>A buffer of zeros.</summary>
    /// <param name="length">Number of elements, 0 or more.</param>
    public AlignedBuffer(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        _array = GC.AllocateArray<float>(checked(length + Alignment / sizeof(float)), pinned: true);
        var handle = GCHandle.Alloc(_array, GCHandleType.Pinned);
        var beyond = (int)(handle.AddrOfPinnedObject() % Alignment);
        handle.Free();
        _start = beyond == 0 ? 0 : (Alignment - beyond) / sizeof(float);
        Length = length;
    }

    /// <summary>Number of elements.</summary>
    public int Length { get; }

    /// <summary>All elements.</summary>
    public Span<float> Span => new(_array, _start, Length);

    /// <summary>All elements, for work that goes on after a call.</summary>
    public Memory<float> Memory => new(_array, _start, Length);
}
