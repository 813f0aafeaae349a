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
}
