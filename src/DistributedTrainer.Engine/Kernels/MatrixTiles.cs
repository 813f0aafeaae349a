using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// The inner tiles of the matrix product. Each element of C is one chain of fused multiply-adds over k in order,
/// whatever the tile: so all widths give the same bits. At each k a tile reads as many elements of A as it
/// has rows, as far apart as the path says, and of B as many neighbours as it has columns; C is row-major with the given row
/// length. Of the rows of A every third has a pointer, and the others lie one or two lines behind it: twelve would not fit
/// into the registers.
/// </summary>
internal static unsafe partial class MatrixTiles
{
    /// <summary>12 rows of A by 32 columns of B, in 24 accumulators of 16 lanes: the register file of 512-bit hardware.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile12x32<TSteps>(float* a, float* b, float* c, int columns, in TilePath path, TSteps steps, bool load)
        where TSteps : struct, ISteps
    {
        Vector512<float> c0l = default, c0r = default;
        Vector512<float> c1l = default, c1r = default;
        Vector512<float> c2l = default, c2r = default;
        Vector512<float> c3l = default, c3r = default;
        Vector512<float> c4l = default, c4r = default;
        Vector512<float> c5l = default, c5r = default;
        Vector512<float> c6l = default, c6r = default;
        Vector512<float> c7l = default, c7r = default;
        Vector512<float> c8l = default, c8r = default;
        Vector512<float> c9l = default, c9r = default;
        Vector512<float> c10l = default, c10r = default;
        Vector512<float> c11l = default, c11r = default;
        if (load)
        {
            (c0l, c0r) = (Vector512.Load(c), Vector512.Load(c + 16));
            (c1l, c1r) = (Vector512.Load(c + columns), Vector512.Load(c + columns + 16));
            (c2l, c2r) = (Vector512.Load(c + (2 * columns)), Vector512.Load(c + (2 * columns) + 16));
            (c3l, c3r) = (Vector512.Load(c + (3 * columns)), Vector512.Load(c + (3 * columns) + 16));
            (c4l, c4r) = (Vector512.Load(c + (4 * columns)), Vector512.Load(c + (4 * columns) + 16));
            (c5l, c5r) = (Vector512.Load(c + (5 * columns)), Vector512.Load(c + (5 * columns) + 16));
            (c6l, c6r) = (Vector512.Load(c + (6 * columns)), Vector512.Load(c + (6 * columns) + 16));
            (c7l, c7r) = (Vector512.Load(c + (7 * columns)), Vector512.Load(c + (7 * columns) + 16));
            (c8l, c8r) = (Vector512.Load(c + (8 * columns)), Vector512.Load(c + (8 * columns) + 16));
            (c9l, c9r) = (Vector512.Load(c + (9 * columns)), Vector512.Load(c + (9 * columns) + 16));
            (c10l, c10r) = (Vector512.Load(c + (10 * columns)), Vector512.Load(c + (10 * columns) + 16));
            (c11l, c11r) = (Vector512.Load(c + (11 * columns)), Vector512.Load(c + (11 * columns) + 16));
        }

        var (aStep, line, depth) = ((long)path.AStep, (long)path.ALine, path.Depth);
        var line2 = 2 * line;
        var at3 = a + (3 * line);
        var at6 = a + (6 * line);
        var at9 = a + (9 * line);
        for (var run = path.Runs; run > 0; run--, a += path.ASkip, at3 += path.ASkip, at6 += path.ASkip, at9 += path.ASkip, b += path.BSkip)
        {
            for (var p = 0; p < depth;)
            {
                steps.Ahead();
                var end = Math.Min(TSteps.Stretch, depth - p) + p;
                for (; p < end; b = steps.Next(b, p), a += aStep, at3 += aStep, at6 += aStep, at9 += aStep, p++)
                {
                    var left = Vector512.Load(b);
                    var right = Vector512.Load(b + 16);
                    steps.Read(left, right);
                    var a0 = Vector512.Create(a[0]);
                    c0l = Vector512.FusedMultiplyAdd(a0, left, c0l);
                    c0r = Vector512.FusedMultiplyAdd(a0, right, c0r);
                    var a1 = Vector512.Create(a[line]);
                    c1l = Vector512.FusedMultiplyAdd(a1, left, c1l);
                    c1r = Vector512.FusedMultiplyAdd(a1, right, c1r);
                    var a2 = Vector512.Create(a[line2]);
                    c2l = Vector512.FusedMultiplyAdd(a2, left, c2l);
                    c2r = Vector512.FusedMultiplyAdd(a2, right, c2r);
                    var a3 = Vector512.Create(at3[0]);
                    c3l = Vector512.FusedMultiplyAdd(a3, left, c3l);
                    c3r = Vector512.FusedMultiplyAdd(a3, right, c3r);
                    var a4 = Vector512.Create(at3[line]);
                    c4l = Vector512.FusedMultiplyAdd(a4, left, c4l);
                    c4r = Vector512.FusedMultiplyAdd(a4, right, c4r);
                    var a5 = Vector512.Create(at3[line2]);
                    c5l = Vector512.FusedMultiplyAdd(a5, left, c5l);
                    c5r = Vector512.FusedMultiplyAdd(a5, right, c5r);
                    var a6 = Vector512.Create(at6[0]);
                    c6l = Vector512.FusedMultiplyAdd(a6, left, c6l);
                    c6r = Vector512.FusedMultiplyAdd(a6, right, c6r);
                    var a7 = Vector512.Create(at6[line]);
                    c7l = Vector512.FusedMultiplyAdd(a7, left, c7l);
                    c7r = Vector512.FusedMultiplyAdd(a7, right, c7r);
                    var a8 = Vector512.Create(at6[line2]);
                    c8l = Vector512.FusedMultiplyAdd(a8, left, c8l);
                    c8r = Vector512.FusedMultiplyAdd(a8, right, c8r);
                    var a9 = Vector512.Create(at9[0]);
                    c9l = Vector512.FusedMultiplyAdd(a9, left, c9l);
                    c9r = Vector512.FusedMultiplyAdd(a9, right, c9r);
                    var a10 = Vector512.Create(at9[line]);
                    c10l = Vector512.FusedMultiplyAdd(a10, left, c10l);
                    c10r = Vector512.FusedMultiplyAdd(a10, right, c10r);
                    var a11 = Vector512.Create(at9[line2]);
                    c11l = Vector512.FusedMultiplyAdd(a11, left, c11l);
                    c11r = Vector512.FusedMultiplyAdd(a11, right, c11r);
                }
            }
        }

        c0l.Store(c);
        c0r.Store(c + 16);
        c1l.Store(c + columns);
        c1r.Store(c + columns + 16);
        c2l.Store(c + (2 * columns));
        c2r.Store(c + (2 * columns) + 16);
        c3l.Store(c + (3 * columns));
        c3r.Store(c + (3 * columns) + 16);
        c4l.Store(c + (4 * columns));
        c4r.Store(c + (4 * columns) + 16);
        c5l.Store(c + (5 * columns));
        c5r.Store(c + (5 * columns) + 16);
        c6l.Store(c + (6 * columns));
        c6r.Store(c + (6 * columns) + 16);
        c7l.Store(c + (7 * columns));
        c7r.Store(c + (7 * columns) + 16);
        c8l.Store(c + (8 * columns));
        c8r.Store(c + (8 * columns) + 16);
        c9l.Store(c + (9 * columns));
        c9r.Store(c + (9 * columns) + 16);
        c10l.Store(c + (10 * columns));
        c10r.Store(c + (10 * columns) + 16);
        c11l.Store(c + (11 * columns));
        c11r.Store(c + (11 * columns) + 16);
    }

    /// <summary>8 rows by 32 columns, for the rows that are left over; 16 accumulators still hide the latency.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile8x32<TSteps>(float* a, float* b, float* c, int columns, in TilePath path, TSteps steps, bool load)
        where TSteps : struct, ISteps
    {
        Vector512<float> c0l = default, c0r = default;
        Vector512<float> c1l = default, c1r = default;
        Vector512<float> c2l = default, c2r = default;
        Vector512<float> c3l = default, c3r = default;
        Vector512<float> c4l = default, c4r = default;
        Vector512<float> c5l = default, c5r = default;
        Vector512<float> c6l = default, c6r = default;
        Vector512<float> c7l = default, c7r = default;
        if (load)
        {
            (c0l, c0r) = (Vector512.Load(c), Vector512.Load(c + 16));
            (c1l, c1r) = (Vector512.Load(c + columns), Vector512.Load(c + columns + 16));
            (c2l, c2r) = (Vector512.Load(c + (2 * columns)), Vector512.Load(c + (2 * columns) + 16));
            (c3l, c3r) = (Vector512.Load(c + (3 * columns)), Vector512.Load(c + (3 * columns) + 16));
            (c4l, c4r) = (Vector512.Load(c + (4 * columns)), Vector512.Load(c + (4 * columns) + 16));
            (c5l, c5r) = (Vector512.Load(c + (5 * columns)), Vector512.Load(c + (5 * columns) + 16));
            (c6l, c6r) = (Vector512.Load(c + (6 * columns)), Vector512.Load(c + (6 * columns) + 16));
            (c7l, c7r) = (Vector512.Load(c + (7 * columns)), Vector512.Load(c + (7 * columns) + 16));
        }

        var (aStep, line, depth) = ((long)path.AStep, (long)path.ALine, path.Depth);
        var line2 = 2 * line;
        var at3 = a + (3 * line);
        var at6 = a + (6 * line);
        for (var run = path.Runs; run > 0; run--, a += path.ASkip, at3 += path.ASkip, at6 += path.ASkip, b += path.BSkip)
        {
            for (var p = 0; p < depth;)
            {
                steps.Ahead();
                var end = Math.Min(TSteps.Stretch, depth - p) + p;
                for (; p < end; b = steps.Next(b, p), a += aStep, at3 += aStep, at6 += aStep, p++)
                {
                    var left = Vector512.Load(b);
                    var right = Vector512.Load(b + 16);
                    steps.Read(left, right);
                    var a0 = Vector512.Create(a[0]);
                    c0l = Vector512.FusedMultiplyAdd(a0, left, c0l);
                    c0r = Vector512.FusedMultiplyAdd(a0, right, c0r);
                    var a1 = Vector512.Create(a[line]);
                    c1l = Vector512.FusedMultiplyAdd(a1, left, c1l);
                    c1r = Vector512.FusedMultiplyAdd(a1, right, c1r);
                    var a2 = Vector512.Create(a[line2]);
                    c2l = Vector512.FusedMultiplyAdd(a2, left, c2l);
                    c2r = Vector512.FusedMultiplyAdd(a2, right, c2r);
                    var a3 = Vector512.Create(at3[0]);
                    c3l = Vector512.FusedMultiplyAdd(a3, left, c3l);
                    c3r = Vector512.FusedMultiplyAdd(a3, right, c3r);
                    var a4 = Vector512.Create(at3[line]);
                    c4l = Vector512.FusedMultiplyAdd(a4, left, c4l);
                    c4r = Vector512.FusedMultiplyAdd(a4, right, c4r);
                    var a5 = Vector512.Create(at3[line2]);
                    c5l = Vector512.FusedMultiplyAdd(a5, left, c5l);
                    c5r = Vector512.FusedMultiplyAdd(a5, right, c5r);
                    var a6 = Vector512.Create(at6[0]);
                    c6l = Vector512.FusedMultiplyAdd(a6, left, c6l);
                    c6r = Vector512.FusedMultiplyAdd(a6, right, c6r);
                    var a7 = Vector512.Create(at6[line]);
                    c7l = Vector512.FusedMultiplyAdd(a7, left, c7l);
                    c7r = Vector512.FusedMultiplyAdd(a7, right, c7r);
                }
            }
        }

        c0l.Store(c);
        c0r.Store(c + 16);
        c1l.Store(c + columns);
        c1r.Store(c + columns + 16);
        c2l.Store(c + (2 * columns));
        c2r.Store(c + (2 * columns) + 16);
        c3l.Store(c + (3 * columns));
        c3r.Store(c + (3 * columns) + 16);
        c4l.Store(c + (4 * columns));
        c4r.Store(c + (4 * columns) + 16);
        c5l.Store(c + (5 * columns));
        c5r.Store(c + (5 * columns) + 16);
        c6l.Store(c + (6 * columns));
        c6r.Store(c + (6 * columns) + 16);
        c7l.Store(c + (7 * columns));
        c7r.Store(c + (7 * columns) + 16);
    }

    /// <summary>4 rows by 32 columns, for the rows that are left over; 8 accumulators still hide the latency.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile4x32<TSteps>(float* a, float* b, float* c, int columns, in TilePath path, TSteps steps, bool load)
        where TSteps : struct, ISteps
    {
        Vector512<float> c0l = default, c0r = default;
        Vector512<float> c1l = default, c1r = default;
        Vector512<float> c2l = default, c2r = default;
        Vector512<float> c3l = default, c3r = default;
        if (load)
        {
            (c0l, c0r) = (Vector512.Load(c), Vector512.Load(c + 16));
            (c1l, c1r) = (Vector512.Load(c + columns), Vector512.Load(c + columns + 16));
            (c2l, c2r) = (Vector512.Load(c + (2 * columns)), Vector512.Load(c + (2 * columns) + 16));
            (c3l, c3r) = (Vector512.Load(c + (3 * columns)), Vector512.Load(c + (3 * columns) + 16));
        }

        var (aStep, line, depth) = ((long)path.AStep, (long)path.ALine, path.Depth);
        var line2 = 2 * line;
        var at3 = a + (3 * line);
        for (var run = path.Runs; run > 0; run--, a += path.ASkip, at3 += path.ASkip, b += path.BSkip)
        {
            for (var p = 0; p < depth;)
            {
                steps.Ahead();
                var end = Math.Min(TSteps.Stretch, depth - p) + p;
                for (; p < end; b = steps.Next(b, p), a += aStep, at3 += aStep, p++)
                {
                    var left = Vector512.Load(b);
                    var right = Vector512.Load(b + 16);
                    steps.Read(left, right);
                    var a0 = Vector512.Create(a[0]);
                    c0l = Vector512.FusedMultiplyAdd(a0, left, c0l);
                    c0r = Vector512.FusedMultiplyAdd(a0, right, c0r);
                    var a1 = Vector512.Create(a[line]);
                    c1l = Vector512.FusedMultiplyAdd(a1, left, c1l);
                    c1r = Vector512.FusedMultiplyAdd(a1, right, c1r);
                    var a2 = Vector512.Create(a[line2]);
                    c2l = Vector512.FusedMultiplyAdd(a2, left, c2l);
                    c2r = Vector512.FusedMultiplyAdd(a2, right, c2r);
                    var a3 = Vector512.Create(at3[0]);
                    c3l = Vector512.FusedMultiplyAdd(a3, left, c3l);
                    c3r = Vector512.FusedMultiplyAdd(a3, right, c3r);
                }
            }
        }

        c0l.Store(c);
        c0r.Store(c + 16);
        c1l.Store(c + columns);
        c1r.Store(c + columns + 16);
        c2l.Store(c + (2 * columns));
        c2r.Store(c + (2 * columns) + 16);
        c3l.Store(c + (3 * columns));
        c3r.Store(c + (3 * columns) + 16);
    }
}
