using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Four cache lines of memory that a later tile reads, once in 16 k: weights that come from memory are read no faster
/// than one core can wait, and a tile has time to spare. They go into the second-level cache; what is asked for may lie
/// anywhere, also behind the end of a matrix.
/// </summary>
/// <param name="from">The first line.</param>
/// <param name="second">The second, counted from the first, in elements.</param>
/// <param name="third">The third.</param>
/// <param name="fourth">The fourth.</param>
/// <param name="next">The next first line.</param>
internal struct Lookahead(nint from, nint second, nint third, nint fourth, nint next)
{
    private nint _from = from;

    /// <summary>Nothing is asked for twice: four lines of 16 elements in 16 k.</summary>
    public const int Stretch = 16;

    /// <summary>Elements of a cache line.</summary>
    public const int Line = 16;

    /// <summary>The lines of four neighbouring rows, side by side.</summary>
    public static unsafe Lookahead OfRows(float* from, long rowLength) =>
        new((nint)from, (nint)rowLength * sizeof(float), (nint)rowLength * 2 * sizeof(float), (nint)rowLength * 3 * sizeof(float), Line * sizeof(float));

    /// <summary>Two neighbouring lines of two rows, row by row.</summary>
    public static unsafe Lookahead OfPanel(float* from, long rowLength) =>
        new((nint)from, Line * sizeof(float), (nint)rowLength * sizeof(float), ((nint)rowLength + Line) * sizeof(float), (nint)rowLength * 2 * sizeof(float));

    /// <summary>Asks for the next four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public unsafe void Ask()
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch1((void*)_from);
            Sse.Prefetch1((void*)(_from + second));
            Sse.Prefetch1((void*)(_from + third));
            Sse.Prefetch1((void*)(_from + fourth));
        }

        _from += next;
    }
}
