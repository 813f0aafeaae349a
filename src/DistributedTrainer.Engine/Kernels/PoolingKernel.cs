using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Pooling of planes: x(planes, H, W) → y(planes, OH, OW). A window's elements are taken row by row; eight neighbouring
/// windows at a time where the stride is 1 or 2. Every window is computed by itself, so its bits depend on nothing else.
/// Where a row has fewer than eight, what is written behind it is overwritten by the next row.
/// </summary>
public static unsafe class PoolingKernel
{
    /// <summary>What may be read and written behind a plane that has room for it.</summary>
    internal const int Slack = 16;

    private const int Lanes = 8;

    /// <summary>y = the largest element of each window, and where it lies in its plane: the first of equal ones; a NaN beats all.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="x">Planes (planes,H,W).</param>
    /// <param name="y">Results (planes,OH,OW), overwritten.</param>
    /// <param name="places">Places within the planes (planes,OH,OW), overwritten.</param>
    public static void Max(PoolingShape shape, ReadOnlySpan<float> x, Span<float> y, Span<int> places)
    {
        Check(shape, x.Length, y.Length, places.Length);
        var (plane, windows) = (shape.Height * shape.Width, shape.OutputHeight * shape.OutputWidth);
        fixed (float* px = x, py = y)
        {
            fixed (int* pp = places)
            {
                for (var (first, at) = (0, 0); at < y.Length; first += plane, at += windows)
                {
                    MaxPlane(shape, px + first, x.Length - first, py + at, pp + at, y.Length - at);
                }
            }
        }
    }

    /// <summary>dx: each dy goes to the element that won its window; the windows in order.</summary>
    public static void MaxBackward(PoolingShape shape, ReadOnlySpan<float> dy, ReadOnlySpan<int> places, Span<float> dx)
    {
        Check(shape, dx.Length, dy.Length, places.Length);
        var (plane, windows) = (shape.Height * shape.Width, shape.OutputHeight * shape.OutputWidth);
        fixed (float* pdy = dy, pdx = dx)
        {
            fixed (int* pp = places)
            {
                for (var (first, at) = (0, 0); at < dy.Length; first += plane, at += windows)
                {
                    MaxBackwardPlane(shape, pdy + at, pp + at, dy.Length - at, pdx + first, dx.Length - first);
                }
            }
        }
    }

    /// <summary>y = the mean of each window: its sum in order, divided by S².</summary>
    public static void Average(PoolingShape shape, ReadOnlySpan<float> x, Span<float> y)
    {
        Check(shape, x.Length, y.Length);
        fixed (float* px = x, py = y)
        {
            var at = 0;
            for (var from = px; at < y.Length; from += shape.Height * shape.Width)
            {
                for (var row = 0; row < shape.OutputHeight; row++, at += shape.OutputWidth)
                {
                    var top = from + (row * shape.Stride * shape.Width);
                    AverageRow(shape, top, py + at, Vectorized(shape, (int)(px + x.Length - top), y.Length - at));
                }
            }
        }
    }

    /// <summary>dx: each element of a window gets dy / S²; the windows in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AverageBackward(PoolingShape shape, ReadOnlySpan<float> dy, Span<float> dx)
    {
        Check(shape, dx.Length, dy.Length);
        dx.Clear();
        float area = shape.Kernel * shape.Kernel;
        var at = 0;
        for (var first = 0; at < dy.Length; first += shape.Height * shape.Width)
        {
            for (var row = 0; row < shape.OutputHeight; row++)
            {
                for (var column = 0; column < shape.OutputWidth; column++)
                {
                    var share = dy[at++] / area;
                    for (var ky = 0; ky < shape.Kernel; ky++)
                    {
                        var window = dx.Slice(first + (((row * shape.Stride) + ky) * shape.Width) + (column * shape.Stride), shape.Kernel);
                        for (var kx = 0; kx < window.Length; kx++)
                        {
                            window[kx] += share;
                        }
                    }
                }
            }
        }
    }

    /// <summary>The windows of one plane. What lies behind it may be read and, as the next planes come later, written.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="plane">The plane.</param>
    /// <param name="readable">Elements from the plane's first one on.</param>
    /// <param name="y">Its results.</param>
    /// <param name="places">Places of the winners.</param>
    /// <param name="writable">Windows from the plane's first one on.</param>
    internal static void MaxPlane(in PoolingShape shape, float* plane, int readable, float* y, int* places, int writable)
    {
        var row = MaxPairs.Fill(shape) ? MaxPairs.Forward(shape, plane, readable, y, places, writable) : 0;
        for (; row < shape.OutputHeight; row++)
        {
            var (top, at) = (row * shape.Stride * shape.Width, row * shape.OutputWidth);
            MaxRow(shape, plane, top, y + at, places + at, Vectorized(shape, readable - top, writable - at));
        }
    }

    /// <summary>dx of one plane. What lies behind it may be read and, as the next planes come later, written.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="dy">The gradients of its windows.</param>
    /// <param name="places">Places of the winners.</param>
    /// <param name="readable">Windows from the plane's first one on.</param>
    /// <param name="dx">The plane, overwritten.</param>
    /// <param name="writable">Elements from the plane's first one on.</param>
    internal static void MaxBackwardPlane(in PoolingShape shape, float* dy, int* places, int readable, float* dx, int writable)
    {
        var row = MaxPairs.Fill(shape) ? MaxPairs.Backward(shape, dy, places, readable, dx, writable) : 0;
        var (first, windows) = (row * shape.Stride * shape.Width, shape.OutputHeight * shape.OutputWidth);
        new Span<float>(dx + first, (shape.Height * shape.Width) - first).Clear();
        for (var i = row * shape.OutputWidth; i < windows; i++)
        {
            dx[places[i]] += dy[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MaxRow(in PoolingShape shape, float* plane, int top, float* y, int* places, int vectorized)
    {
        var (size, stride, width) = (shape.Kernel, shape.Stride, shape.Width);
        for (var column = 0; column < vectorized; column = Next(column, vectorized))
        {
            var from = plane + top + (column * stride);
            var first = Vector256.Create(top + (column * stride)) + (Vector256<int>.Indices * stride);
            var best = Load(from, 0, stride);
            var place = first;
            for (var ky = 0; ky < size; ky++)
            {
                for (var kx = ky == 0 ? 1 : 0; kx < size; kx++)
                {
                    var candidate = Load(from + (ky * width), kx, stride);
                    var better = Vector256.GreaterThan(candidate, best) | ~Vector256.Equals(candidate, candidate);
                    best = Vector256.ConditionalSelect(better, candidate, best);
                    place = Vector256.ConditionalSelect(better.AsInt32(), first + Vector256.Create((ky * width) + kx), place);
                }
            }

            best.Store(y + column);
            place.Store(places + column);
        }

        for (var column = vectorized; column < shape.OutputWidth; column++)
        {
            var first = top + (column * stride);
            var (best, place) = (plane[first], first);
            for (var ky = 0; ky < size; ky++)
            {
                for (var at = first + (ky * width); at < first + (ky * width) + size; at++)
                {
                    if (plane[at] > best || float.IsNaN(plane[at]))
                    {
                        (best, place) = (plane[at], at);
                    }
                }
            }

            (y[column], places[column]) = (best, place);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AverageRow(in PoolingShape shape, float* top, float* y, int vectorized)
    {
        var (size, stride, width) = (shape.Kernel, shape.Stride, shape.Width);
        float area = size * size;
        for (var column = 0; column < vectorized; column = Next(column, vectorized))
        {
            var from = top + (column * stride);
            var sum = Load(from, 0, stride);
            for (var ky = 0; ky < size; ky++)
            {
                for (var kx = ky == 0 ? 1 : 0; kx < size; kx++)
                {
                    sum += Load(from + (ky * width), kx, stride);
                }
            }

            (sum / Vector256.Create(area)).Store(y + column);
        }

        for (var column = vectorized; column < shape.OutputWidth; column++)
        {
            var from = top + (column * stride);
            var sum = from[0];
            for (var ky = 0; ky < size; ky++)
            {
                for (var kx = ky == 0 ? 1 : 0; kx < size; kx++)
                {
                    sum += from[(ky * width) + kx];
                }
            }

            y[column] = sum / area;
        }
    }

    /// <summary>
    /// How many windows of a row can be taken eight at a time without reading beyond the row; 0, or at least 8. Fewer
    /// than eight are taken as eight, where neither the reads nor the writes go beyond the end of all rows.
    /// </summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="readable">Elements from the row's first one to the end.</param>
    /// <param name="writable">Windows from the row's first one to the end.</param>
    private static int Vectorized(in PoolingShape shape, int readable, int writable)
    {
        // With stride 2 the columns are read in pairs, of which the last may be the one behind the window.
        var windows = shape.Stride switch
        {
            1 => shape.OutputWidth,
            2 => Math.Min(shape.OutputWidth, ConvolutionShape.Windows(shape.Width, (shape.Kernel + 1) & ~1, 2, 0)),
            _ => 0,
        };
        if (windows >= Lanes || shape.Stride > 2)
        {
            return windows;
        }

        var last = ((shape.Kernel - 1) * shape.Width) + (shape.Stride == 1 ? shape.Kernel - 1 : (shape.Kernel - 1) & ~1);
        return shape.OutputWidth <= Lanes && readable >= last + (Lanes * shape.Stride) && writable >= Lanes ? Lanes : 0;
    }

    // The last eight windows overlap those before: what is computed twice is the same.
    private static int Next(int column, int end) => column + Lanes == end ? end : Math.Min(column + Lanes, end - Lanes);

    /// <summary>The elements from[kx], from[kx + stride], … of eight windows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Load(float* from, int kx, int stride)
    {
        if (stride == 1)
        {
            return Vector256.Load(from + kx);
        }

        var pairs = from + (kx & ~1);
        var (low, high) = (Vector256.Load(pairs), Vector256.Load(pairs + Lanes));
        return (kx & 1) == 0
            ? Vector256.Create(
                Vector256.Shuffle(low, Vector256.Create(0, 2, 4, 6, 0, 2, 4, 6)).GetLower(), Vector256.Shuffle(high, Vector256.Create(0, 2, 4, 6, 0, 2, 4, 6)).GetLower())
            : Vector256.Create(
                Vector256.Shuffle(low, Vector256.Create(1, 3, 5, 7, 1, 3, 5, 7)).GetLower(), Vector256.Shuffle(high, Vector256.Create(1, 3, 5, 7, 1, 3, 5, 7)).GetLower());
    }

    internal static void Check(in PoolingShape shape, int x, int y, int places)
    {
        Check(shape, x, y);
        VectorMap.CheckLengths(places, y, "max-pool2d");
    }

    private static void Check(in PoolingShape shape, int x, int y)
    {
        var (plane, windows) = (shape.Height * shape.Width, shape.OutputHeight * shape.OutputWidth);
        if (windows == 0 || x % plane != 0 || y % windows != 0 || x / plane != y / windows)
        {
            throw new ArgumentException($"pooling: {x} elements of planes and {y} of windows do not fit {shape}. Take whole planes on both sides.");
        }
    }
}
