using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Lays out rows of A (or columns of B), here called lines, in panels of a tile's width, with k running slowest within a
/// panel: the tile then reads both operands in a straight line. The last panel is filled up with zeros, whose products
/// are never stored. Moves numbers and computes none.
/// </summary>
internal static unsafe class PanelPacking
{
    // The transposition writes 16 lines at a time, whatever the panel's width: this much is written behind the last panel.
    private const int Slack = 16;

    /// <summary>Room for the panels of this many lines.</summary>
    public static int Elements(int lines, int depth, int width) => checked((Scratch.RoundUp(lines, width) * depth) + Slack);

    /// <summary>Packs lines · depth elements; line i's element k is source[i · lineStep + k · kStep], one of the steps 1.</summary>
    public static void Run(float* source, int lineStep, int kStep, float* packed, int lines, int depth, int width)
    {
        for (var first = 0; first < lines; first += width, packed += (long)width * depth)
        {
            var count = Math.Min(width, lines - first);
            var from = source + ((long)first * lineStep);
            if (lineStep == 1)
            {
                CopyLines(from, kStep, packed, count, depth, width);
            }
            else if (kStep == 1)
            {
                TransposeLines(from, lineStep, packed, count, depth, width);
            }
            else
            {
                throw new ArgumentException($"matrix product: a matrix with steps {lineStep} and {kStep} is not supported, one of them must be 1.");
            }
        }
    }

    /// <summary>Lines that lie side by side: a copy for each k.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyLines(float* from, int kStep, float* to, int count, int depth, int width)
    {
        if (count < width)
        {
            for (var p = 0; p < depth; p++, from += kStep, to += width)
            {
                Copy(from, to, count);
                new Span<float>(to + count, width - count).Clear();
            }

            return;
        }

        if (width == 32)
        {
            for (var p = 0; p < depth; p++, from += kStep, to += 32)
            {
                Vector512.Load(from).Store(to);
                Vector512.Load(from + 16).Store(to + 16);
            }

            return;
        }

        for (var p = 0; p < depth; p++, from += kStep, to += width)
        {
            Copy(from, to, width);
        }
    }

    // Panels are short: a call that looks at the length would cost more than the copy.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy(float* from, float* to, int length)
    {
        var i = 0;
        for (; i <= length - 8; i += 8)
        {
            Vector256.Load(from + i).Store(to + i);
        }

        for (; i <= length - 4; i += 4)
        {
            Vector128.Load(from + i).Store(to + i);
        }

        for (; i < length; i++)
        {
            to[i] = from[i];
        }
    }

    /// <summary>Lines that lie one behind the other: rows become columns.</summary>
    private static void TransposeLines(float* from, int lineStep, float* to, int count, int depth, int width)
    {
        var line = 0;
        if (Avx512F.IsSupported)
        {
            for (; line < count; line += 16)
            {
                TransposeSixteen(from + ((long)line * lineStep), lineStep, to + line, width, Math.Min(16, count - line), depth);
            }
        }
        else
        {
            Transposition.Run(from, lineStep, count, depth, to, width);
            line = count;
        }

        if (count < width)
        {
            for (var p = 0; p < depth; p++)
            {
                new Span<float>(to + ((long)p * width) + count, width - count).Clear();
            }
        }
    }

    /// <summary>
    /// Up to 16 lines. Four rows in each 128-bit quarter of a register are transposed by two rounds of unpacking, so four
    /// registers hold 16 lines of four k. 16 elements are stored for each k; those behind the panel are overwritten by
    /// the next k, which is why k ascends.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposeSixteen(float* from, int lineStep, float* to, int toStep, int count, int depth)
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
