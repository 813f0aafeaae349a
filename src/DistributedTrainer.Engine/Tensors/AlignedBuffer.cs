using System.Buffers;
using System.Runtime.InteropServices;

namespace DistributedTrainer.Engine.Tensors;

/// <summary>
/// Float32 numbers, zero at first, that begin on a 64-byte border (one cache line, one 512-bit register) and never
/// move, so that a channel may hand their address to the operating system.
/// </summary>
public sealed class AlignedBuffer
{
    private const int Alignment = 64;
    private readonly float[]? _array;
    private readonly int _start;
    private readonly MemoryManager<float>? _memory;

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

    /// <summary>A buffer over memory of another kind, such as memory that processes share, which fulfils the same: aligned, and never moves.</summary>
    /// <param name="memory">The memory; it lives as long as this object.</param>
    public AlignedBuffer(MemoryManager<float> memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        _memory = memory;
        Length = memory.GetSpan().Length;
    }

    /// <summary>Number of elements.</summary>
    public int Length { get; }

    /// <summary>All elements.</summary>
    public Span<float> Span => _array is null ? _memory!.GetSpan() : new Span<float>(_array, _start, Length);
}
