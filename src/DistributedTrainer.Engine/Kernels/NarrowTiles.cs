using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <content>Tiles for narrower vectors.</content>
internal static unsafe partial class MatrixTiles
{
    /// <summary>6 rows of A by 16 columns of B, in 12 accumulators of 8 lanes: the register file of 256-bit hardware.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile6x16<TSteps>(float* a, float* b, float* c, int columns, in TilePath path, TSteps steps, bool load)
        where TSteps : struct, ISteps
    {
        Vector256<float> c0l = default, c0r = default;
        Vector256<float> c1l = default, c1r = default;
        Vector256<float> c2l = default, c2r = default;
        Vector256<float> c3l = default, c3r = default;
        Vector256<float> c4l = default, c4r = default;
        Vector256<float> c5l = default, c5r = default;
        if (load)
        {
            (c0l, c0r) = (Vector256.Load(c), Vector256.Load(c + 8));
            (c1l, c1r) = (Vector256.Load(c + columns), Vector256.Load(c + columns + 8));
            (c2l, c2r) = (Vector256.Load(c + (2 * columns)), Vector256.Load(c + (2 * columns) + 8));
            (c3l, c3r) = (Vector256.Load(c + (3 * columns)), Vector256.Load(c + (3 * columns) + 8));
            (c4l, c4r) = (Vector256.Load(c + (4 * columns)), Vector256.Load(c + (4 * columns) + 8));
            (c5l, c5r) = (Vector256.Load(c + (5 * columns)), Vector256.Load(c + (5 * columns) + 8));
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
                    var left = Vector256.Load(b);
                    var right = Vector256.Load(b + 8);
                    steps.Read(left, right);
                    var a0 = Vector256.Create(a[0]);
                    c0l = Vector256.FusedMultiplyAdd(a0, left, c0l);
                    c0r = Vector256.FusedMultiplyAdd(a0, right, c0r);
                    var a1 = Vector256.Create(a[line]);
                    c1l = Vector256.FusedMultiplyAdd(a1, left, c1l);
                    c1r = Vector256.FusedMultiplyAdd(a1, right, c1r);
                    var a2 = Vector256.Create(a[line2]);
                    c2l = Vector256.FusedMultiplyAdd(a2, left, c2l);
                    c2r = Vector256.FusedMultiplyAdd(a2, right, c2r);
                    var a3 = Vector256.Create(at3[0]);
                    c3l = Vector256.FusedMultiplyAdd(a3, left, c3l);
                    c3r = Vector256.FusedMultiplyAdd(a3, right, c3r);
                    var a4 = Vector256.Create(at3[line]);
                    c4l = Vector256.FusedMultiplyAdd(a4, left, c4l);
                    c4r = Vector256.FusedMultiplyAdd(a4, right, c4r);
                    var a5 = Vector256.Create(at3[line2]);
                    c5l = Vector256.FusedMultiplyAdd(a5, left, c5l);
                    c5r = Vector256.FusedMultiplyAdd(a5, right, c5r);
                }
            }
        }

        c0l.Store(c);
        c0r.Store(c + 8);
        c1l.Store(c + columns);
        c1r.Store(c + columns + 8);
        c2l.Store(c + (2 * columns));
        c2r.Store(c + (2 * columns) + 8);
        c3l.Store(c + (3 * columns));
        c3r.Store(c + (3 * columns) + 8);
        c4l.Store(c + (4 * columns));
        c4r.Store(c + (4 * columns) + 8);
        c5l.Store(c + (5 * columns));
        c5r.Store(c + (5 * columns) + 8);
    }

    /// <summary>4 rows of A by 8 columns of B, in 8 accumulators of 4 lanes: the register file of 128-bit hardware.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile4x8<TSteps>(float* a, float* b, float* c, int columns, in TilePath path, TSteps steps, bool load)
        where TSteps : struct, ISteps
    {
        Vector128<float> c0l = default, c0r = default;
        Vector128<float> c1l = default, c1r = default;
        Vector128<float> c2l = default, c2r = default;
        Vector128<float> c3l = default, c3r = default;
        if (load)
        {
            (c0l, c0r) = (Vector128.Load(c), Vector128.Load(c + 4));
            (c1l, c1r) = (Vector128.Load(c + columns), Vector128.Load(c + columns + 4));
            (c2l, c2r) = (Vector128.Load(c + (2 * columns)), Vector128.Load(c + (2 * columns) + 4));
            (c3l, c3r) = (Vector128.Load(c + (3 * columns)), Vector128.Load(c + (3 * columns) + 4));
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
                    var left = Vector128.Load(b);
                    var right = Vector128.Load(b + 4);
                    steps.Read(left, right);
                    var a0 = Vector128.Create(a[0]);
                    c0l = Vector128.FusedMultiplyAdd(a0, left, c0l);
                    c0r = Vector128.FusedMultiplyAdd(a0, right, c0r);
                    var a1 = Vector128.Create(a[line]);
                    c1l = Vector128.FusedMultiplyAdd(a1, left, c1l);
                    c1r = Vector128.FusedMultiplyAdd(a1, right, c1r);
                    var a2 = Vector128.Create(a[line2]);
                    c2l = Vector128.FusedMultiplyAdd(a2, left, c2l);
                    c2r = Vector128.FusedMultiplyAdd(a2, right, c2r);
                    var a3 = Vector128.Create(at3[0]);
                    c3l = Vector128.FusedMultiplyAdd(a3, left, c3l);
                    c3r = Vector128.FusedMultiplyAdd(a3, right, c3r);
                }
            }
        }

        c0l.Store(c);
        c0r.Store(c + 4);
        c1l.Store(c + columns);
        c1r.Store(c + columns + 4);
        c2l.Store(c + (2 * columns));
        c2r.Store(c + (2 * columns) + 4);
        c3l.Store(c + (3 * columns));
        c3r.Store(c + (3 * columns) + 4);
    }
}
