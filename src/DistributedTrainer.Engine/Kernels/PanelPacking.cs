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
                Transposition.Sixteen(from + ((long)line * lineStep), lineStep, to + line, width, Math.Min(16, count - line), depth);
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
}
