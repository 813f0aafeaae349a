using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Reads B where it lies, row by row, and packs what it reads: the first tile of a panel does so, and packing is then
/// nearly free, since a tile has stores to spare.
/// </summary>
/// <param name="step">From one row of B to the next.</param>
/// <param name="packed">The panel.</param>
internal unsafe struct PackingSteps(long step, float* packed) : ISteps
{
    // So many rows are asked for before they are read. With fewer they come too late; with more, rows that lie a power of
    // two apart share too few places of the second-level cache.
    private const int RowsAhead = 32;

    private readonly long _ahead = RowsAhead * step;
    private float* _packed = packed;

    public static int Stretch => int.MaxValue;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly float* Next(float* b, int k)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch1(b + _ahead);
            Sse.Prefetch1(b + _ahead + Lookahead.Line);
        }

        return b + step;
    }

    public readonly void Ahead()
    {
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Read(Vector512<float> left, Vector512<float> right)
    {
        left.Store(_packed);
        right.Store(_packed + Vector512<float>.Count);
        _packed += 2 * Vector512<float>.Count;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Read(Vector256<float> left, Vector256<float> right)
    {
        left.Store(_packed);
        right.Store(_packed + Vector256<float>.Count);
        _packed += 2 * Vector256<float>.Count;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Read(Vector128<float> left, Vector128<float> right)
    {
        left.Store(_packed);
        right.Store(_packed + Vector128<float>.Count);
        _packed += 2 * Vector128<float>.Count;
    }
}
