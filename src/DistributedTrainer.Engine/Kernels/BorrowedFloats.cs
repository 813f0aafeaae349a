using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>Where somebody else's numbers begin, in memory that does not move. Whoever lends them says how many they are, and until when they are there.</summary>
/// <param name="values">The numbers.</param>
internal readonly unsafe struct BorrowedFloats(ReadOnlySpan<float> values)
{
    private readonly float* _start = (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(values));

    /// <summary>Some of them.</summary>
    public ReadOnlySpan<float> Slice(int start, int length) => new(_start + start, length);

    /// <summary>Whether others lie right behind the first so many of these.</summary>
    public bool AreFollowedBy(ReadOnlySpan<float> others, int length) => Unsafe.AsPointer(ref MemoryMarshal.GetReference(others)) == _start + length;
}
