using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>Somebody else's numbers, in memory that does not move: a span that can be kept. Whoever lends them says until when they are there.</summary>
/// <param name="values">The numbers.</param>
internal readonly unsafe struct BorrowedFloats(ReadOnlySpan<float> values)
{
    private readonly float* _start = (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(values));
    private readonly int _length = values.Length;

    /// <summary>All of them.</summary>
    public ReadOnlySpan<float> Span => new(_start, _length);
}
