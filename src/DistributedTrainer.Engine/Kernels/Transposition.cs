using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>Turns rows into columns; moves numbers and computes none.</summary>
internal static unsafe class Transposition
{
    /// <summary>to(N,M) = from(M,N)ᵀ, each with its own step from row to row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(float* from, long fromStep, int rows, int columns, float* to, long toStep)
    {
        var row = 0;
        for (; Avx512F.IsSupported && row <= rows - 16; row += 16)
        {
            Sixteen(from + (row * fromStep), fromStep, to + row, toStep, count: 16, columns);
        }

        for (; Sse.IsSupported && row <= rows - 4; row += 4)
        {
            var read = from + (row * fromStep);
            var write = to + row;
            var column = 0;
            for (; column <= columns - 4; column += 4, read += 4, write += 4 * toStep)
            {
                var (a, b) = (Vector128.Load(read), Vector128.Load(read + fromStep));
                var (c, d) = (Vector128.Load(read + (2 * fromStep)), Vector128.Load(read + (3 * fromStep)));
                var (lowAb, highAb) = (Sse.UnpackLow(a, b), Sse.UnpackHigh(a, b));
                var (lowCd, highCd) = (Sse.UnpackLow(c, d), Sse.UnpackHigh(c, d));
                Sse.MoveLowToHigh(lowAb, lowCd).Store(write);
                Sse.MoveHighToLow(lowCd, lowAb).Store(write + toStep);
                Sse.MoveLowToHigh(highAb, highCd).Store(write + (2 * toStep));
                Sse.MoveHighToLow(highCd, highAb).Store(write + (3 * toStep));
            }

            for (; column < columns; column++, read++, write += toStep)
            {
                write[0] = read[0];
                write[1] = read[fromStep];
                write[2] = read[2 * fromStep];
                write[3] = read[3 * fromStep];
            }
        }

        for (; row < rows; row++)
        {
            var read = from + (row * fromStep);
            var write = to + row;
            for (var column = 0; column < columns; column++, write += toStep)
            {
                *write = read[column];
            }
        }
    }

    /// <summary>
    /// Up to 16 lines. Four rows in each 128-bit quarter of a register are transposed by two rounds of unpacking, so four
    /// registers hold 16 lines of four k. 16 elements are stored for each k; those behind the panel are overwritten by
    /// the next k, which is why k ascends.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Sixteen(float* from, long lineStep, float* to, long toStep, int count, int depth)
    {
        // Lines that are not there are read as the first one; what they write is overwritten.
        var rows = stackalloc float*[16];
        for (var i = 0; i < 16; i++)
        {
            rows[i] = from + (i < count ? (long)i * lineStep : 0);
        }

        var p = 0;
        for (; p <= depth - 4; p += 4, to += 4 * toStep)
        {
            var z0 = Quarters(rows[0] + p, rows[4] + p, rows[8] + p, rows[12] + p);
            var z1 = Quarters(rows[1] + p, rows[5] + p, rows[9] + p, rows[13] + p);
            var z2 = Quarters(rows[2] + p, rows[6] + p, rows[10] + p, rows[14] + p);
            var z3 = Quarters(rows[3] + p, rows[7] + p, rows[11] + p, rows[15] + p);
            var (low01, high01) = (Avx512F.UnpackLow(z0, z1).AsDouble(), Avx512F.UnpackHigh(z0, z1).AsDouble());
            var (low23, high23) = (Avx512F.UnpackLow(z2, z3).AsDouble(), Avx512F.UnpackHigh(z2, z3).AsDouble());
            Avx512F.UnpackLow(low01, low23).AsSingle().Store(to);
            Avx512F.UnpackHigh(low01, low23).AsSingle().Store(to + toStep);
            Avx512F.UnpackLow(high01, high23).AsSingle().Store(to + (2 * toStep));
            Avx512F.UnpackHigh(high01, high23).AsSingle().Store(to + (3 * toStep));
        }

        for (; p < depth; p++, to += toStep)
        {
            for (var i = 0; i < count; i++)
            {
                to[i] = rows[i][p];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Quarters(float* first, float* second, float* third, float* fourth) => Vector512.Create(
        Vector256.Create(Vector128.Load(first), Vector128.Load(second)), Vector256.Create(Vector128.Load(third), Vector128.Load(fourth)));
}
