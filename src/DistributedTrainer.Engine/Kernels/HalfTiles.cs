using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <content>Tiles of half the width, for the last columns: ten classes would else cost as much as thirty-two.</content>
internal static unsafe partial class MatrixTiles
{
    /// <summary>12 rows by 16 columns, for the columns that are left over: half the work of a whole tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile12x16<TSteps>(float* a, float* b, float* c, int columns, in TilePath path, TSteps steps, bool load)
        where TSteps : struct, ISteps
    {
        Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default;
        Vector512<float> c4 = default, c5 = default, c6 = default, c7 = default;
        Vector512<float> c8 = default, c9 = default, c10 = default, c11 = default;
        if (load)
        {
            c0 = Vector512.Load(c);
            c1 = Vector512.Load(c + columns);
            c2 = Vector512.Load(c + (2 * columns));
            c3 = Vector512.Load(c + (3 * columns));
            c4 = Vector512.Load(c + (4 * columns));
            c5 = Vector512.Load(c + (5 * columns));
            c6 = Vector512.Load(c + (6 * columns));
            c7 = Vector512.Load(c + (7 * columns));
            c8 = Vector512.Load(c + (8 * columns));
            c9 = Vector512.Load(c + (9 * columns));
            c10 = Vector512.Load(c + (10 * columns));
            c11 = Vector512.Load(c + (11 * columns));
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
                    var values = Vector512.Load(b);
                    c0 = Vector512.FusedMultiplyAdd(Vector512.Create(a[0]), values, c0);
                    c1 = Vector512.FusedMultiplyAdd(Vector512.Create(a[line]), values, c1);
                    c2 = Vector512.FusedMultiplyAdd(Vector512.Create(a[line2]), values, c2);
                    c3 = Vector512.FusedMultiplyAdd(Vector512.Create(at3[0]), values, c3);
                    c4 = Vector512.FusedMultiplyAdd(Vector512.Create(at3[line]), values, c4);
                    c5 = Vector512.FusedMultiplyAdd(Vector512.Create(at3[line2]), values, c5);
                    c6 = Vector512.FusedMultiplyAdd(Vector512.Create(at6[0]), values, c6);
                    c7 = Vector512.FusedMultiplyAdd(Vector512.Create(at6[line]), values, c7);
                    c8 = Vector512.FusedMultiplyAdd(Vector512.Create(at6[line2]), values, c8);
                    c9 = Vector512.FusedMultiplyAdd(Vector512.Create(at9[0]), values, c9);
                    c10 = Vector512.FusedMultiplyAdd(Vector512.Create(at9[line]), values, c10);
                    c11 = Vector512.FusedMultiplyAdd(Vector512.Create(at9[line2]), values, c11);
                }
            }
        }

        c0.Store(c);
        c1.Store(c + columns);
        c2.Store(c + (2 * columns));
        c3.Store(c + (3 * columns));
        c4.Store(c + (4 * columns));
        c5.Store(c + (5 * columns));
        c6.Store(c + (6 * columns));
        c7.Store(c + (7 * columns));
        c8.Store(c + (8 * columns));
        c9.Store(c + (9 * columns));
        c10.Store(c + (10 * columns));
        c11.Store(c + (11 * columns));
    }

    /// <summary>8 rows by 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile8x16<TSteps>(float* a, float* b, float* c, int columns, in TilePath path, TSteps steps, bool load)
        where TSteps : struct, ISteps
    {
        Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default;
        Vector512<float> c4 = default, c5 = default, c6 = default, c7 = default;
        if (load)
        {
            c0 = Vector512.Load(c);
            c1 = Vector512.Load(c + columns);
            c2 = Vector512.Load(c + (2 * columns));
            c3 = Vector512.Load(c + (3 * columns));
            c4 = Vector512.Load(c + (4 * columns));
            c5 = Vector512.Load(c + (5 * columns));
            c6 = Vector512.Load(c + (6 * columns));
            c7 = Vector512.Load(c + (7 * columns));
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
                    var values = Vector512.Load(b);
                    c0 = Vector512.FusedMultiplyAdd(Vector512.Create(a[0]), values, c0);
                    c1 = Vector512.FusedMultiplyAdd(Vector512.Create(a[line]), values, c1);
                    c2 = Vector512.FusedMultiplyAdd(Vector512.Create(a[line2]), values, c2);
                    c3 = Vector512.FusedMultiplyAdd(Vector512.Create(at3[0]), values, c3);
                    c4 = Vector512.FusedMultiplyAdd(Vector512.Create(at3[line]), values, c4);
                    c5 = Vector512.FusedMultiplyAdd(Vector512.Create(at3[line2]), values, c5);
                    c6 = Vector512.FusedMultiplyAdd(Vector512.Create(at6[0]), values, c6);
                    c7 = Vector512.FusedMultiplyAdd(Vector512.Create(at6[line]), values, c7);
                }
            }
        }

        c0.Store(c);
        c1.Store(c + columns);
        c2.Store(c + (2 * columns));
        c3.Store(c + (3 * columns));
        c4.Store(c + (4 * columns));
        c5.Store(c + (5 * columns));
        c6.Store(c + (6 * columns));
        c7.Store(c + (7 * columns));
    }

    /// <summary>4 rows by 16 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile4x16<TSteps>(float* a, float* b, float* c, int columns, in TilePath path, TSteps steps, bool load)
        where TSteps : struct, ISteps
    {
        Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default;
        if (load)
        {
            c0 = Vector512.Load(c);
            c1 = Vector512.Load(c + columns);
            c2 = Vector512.Load(c + (2 * columns));
            c3 = Vector512.Load(c + (3 * columns));
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
                    var values = Vector512.Load(b);
                    c0 = Vector512.FusedMultiplyAdd(Vector512.Create(a[0]), values, c0);
                    c1 = Vector512.FusedMultiplyAdd(Vector512.Create(a[line]), values, c1);
                    c2 = Vector512.FusedMultiplyAdd(Vector512.Create(a[line2]), values, c2);
                    c3 = Vector512.FusedMultiplyAdd(Vector512.Create(at3[0]), values, c3);
                }
            }
        }

        c0.Store(c);
        c1.Store(c + columns);
        c2.Store(c + (2 * columns));
        c3.Store(c + (3 * columns));
    }
}
