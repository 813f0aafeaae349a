using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Max-pooling with windows of 2 × 2 that fill the plane, eight neighbouring windows at a time. Where a row has fewer,
/// they are taken as eight all the same: what is written behind the row is overwritten by the next one. Rows that lie too
/// near to the end of the memory for that are left to the caller.
/// </summary>
internal static unsafe class MaxPairs
{
    private const int Windows = 8;

    /// <summary>Whether a pooling is of this kind.</summary>
    public static bool Fill(in PoolingShape shape) => shape is { Kernel: 2, Stride: 2 } && ((shape.Width | shape.Height) & 1) == 0;

    /// <summary>y = the largest of each window, the first of equals; a NaN beats all. And where it lies in the plane.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="plane">The plane.</param>
    /// <param name="readable">Elements from the plane's first one on.</param>
    /// <param name="y">The results.</param>
    /// <param name="places">Places of the winners.</param>
    /// <param name="writable">Windows from the plane's first one on.</param>
    /// <returns>Rows of windows that are done.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Forward(in PoolingShape shape, float* plane, int readable, float* y, int* places, int writable)
    {
        var (width, height, windows) = (shape.Width, shape.OutputHeight, shape.OutputWidth);
        var spread = Scratch.RoundUp(windows, Windows);
        var row = 0;
        for (; row < height && (row * windows) + spread <= writable && (((2 * row) + 1) * width) + (2 * spread) <= readable; row++)
        {
            var first = 2 * row * width;
            for (var column = 0; column < windows; column += Windows)
            {
                // The even lanes hold the windows; what happens in the odd ones is dropped at the end.
                var at = first + (2 * column);
                var (top, bottom) = (Vector512.Load(plane + at), Vector512.Load(plane + at + width));
                var place = Vector512<int>.Indices + Vector512.Create(at);
                var best = top;
                Improve(ref best, ref place, Neighbours(top), Vector512<int>.Indices + Vector512.Create(at + 1));
                Improve(ref best, ref place, bottom, Vector512<int>.Indices + Vector512.Create(at + width));
                Improve(ref best, ref place, Neighbours(bottom), Vector512<int>.Indices + Vector512.Create(at + width + 1));
                Evens(best).Store(y + (row * windows) + column);
                Evens(place.AsSingle()).AsInt32().Store(places + (row * windows) + column);
            }
        }

        return row;
    }

    /// <summary>
    /// dx: each element is compared with the place of its window's winner, so every element is written and none needs to
    /// be cleared before.
    /// </summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="dy">The gradients of the windows.</param>
    /// <param name="places">Places of the winners.</param>
    /// <param name="readable">Windows from the plane's first one on.</param>
    /// <param name="dx">The plane, overwritten.</param>
    /// <param name="writable">Elements from the plane's first one on.</param>
    /// <returns>Rows of windows that are done.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Backward(in PoolingShape shape, float* dy, int* places, int readable, float* dx, int writable)
    {
        var (width, height, windows) = (shape.Width, shape.OutputHeight, shape.OutputWidth);
        var spread = Scratch.RoundUp(windows, Windows);
        var row = 0;
        for (; row < height && (row * windows) + spread <= readable && (((2 * row) + 1) * width) + (2 * spread) <= writable; row++)
        {
            var gradients = dy + (row * windows);
            var winners = places + (row * windows);
            for (var first = 2 * row * width; first <= ((2 * row) + 1) * width; first += width)
            {
                for (var column = 0; column < windows; column += Windows)
                {
                    var gradient = Twice(Vector256.Load(gradients + column));
                    var winner = Twice(Vector256.Load(winners + column).AsSingle()).AsInt32();
                    var place = Vector512<int>.Indices + Vector512.Create(first + (2 * column));

                    // As when it is added to a cleared element: −0 becomes 0.
                    var sum = Vector512.ConditionalSelect(Vector512.Equals(winner, place).AsSingle(), gradient, Vector512<float>.Zero) + Vector512<float>.Zero;
                    sum.Store(dx + first + (2 * column));
                }
            }
        }

        return row;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Improve(ref Vector512<float> best, ref Vector512<int> place, Vector512<float> candidate, Vector512<int> candidatePlace)
    {
        var better = Vector512.GreaterThan(candidate, best) | ~Vector512.Equals(candidate, candidate);
        best = Vector512.ConditionalSelect(better, candidate, best);
        place = Vector512.ConditionalSelect(better.AsInt32(), candidatePlace, place);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Neighbours(Vector512<float> lanes) =>
        Vector512.Shuffle(lanes, Vector512.Create(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Evens(Vector512<float> lanes) =>
        Vector512.Shuffle(lanes, Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 0, 0, 0, 0, 0, 0, 0, 0)).GetLower();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Twice(Vector256<float> lanes) =>
        Vector512.Shuffle(lanes.ToVector512Unsafe(), Vector512.Create(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7));
}
