using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// The most floating-point work that one core of this machine can do: independent chains x ← x · ¾ + ½ of fused
/// multiply-adds that never leave the registers, at the hardware's vector width. What a kernel reaches is given as a
/// share of it. The chains are as many as hide the latency: 4 cycles, two of them begun in each.
/// </summary>
public static class PeakRate
{
    // 16 of the 32 registers of 512-bit hardware; on 256 and 128 bits there may be 16 in all, and two hold ¾ and ½.
    private const int WideChains = 16;
    private const int NarrowChains = 12;

    private const float Factor = 0.75f;
    private const float Addend = 0.5f;

    // A window is long enough to be measured well, and several make it likely that one is undisturbed.
    private const int Windows = 10;
    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(20);

    /// <summary>Elements of all chains at the hardware's vector width.</summary>
    internal static int Elements =>
        Vector512.IsHardwareAccelerated ? WideChains * Vector512<float>.Count
        : Vector256.IsHardwareAccelerated ? NarrowChains * Vector256<float>.Count
        : NarrowChains * Vector128<float>.Count;

    /// <summary>
    /// Measures it, on the calling thread, in about a quarter of a second: the best of several windows. A multiply-add counts as
    /// two operations.
    /// </summary>
    /// <returns>10⁹ float32 operations per second of one core.</returns>
    public static double Measure()
    {
        var chains = new float[Elements];
        var rounds = 1L << 12;
        while (Time(rounds, chains) < Window)
        {
            rounds *= 2;
        }

        var best = TimeSpan.MaxValue;
        for (var window = 0; window < Windows; window++)
        {
            var time = Time(rounds, chains);
            best = time < best ? time : best;
        }

        return 2.0 * rounds * chains.Length / best.TotalSeconds / 1e9;
    }

    /// <summary>Takes every element through as many multiply-adds as there are rounds.</summary>
    /// <exception cref="ArgumentException">Not <see cref="Elements"/> elements.</exception>
    internal static void Run(long rounds, Span<float> chains)
    {
        if (chains.Length != Elements)
        {
            throw new ArgumentException($"peak rate: {chains.Length} elements were given, the chains have {Elements}.");
        }

        if (Vector512.IsHardwareAccelerated)
        {
            Run512(rounds, chains);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Run256(rounds, chains);
        }
        else
        {
            Run128(rounds, chains);
        }
    }

    private static TimeSpan Time(long rounds, float[] chains)
    {
        var start = Stopwatch.GetTimestamp();
        Run(rounds, chains);
        return Stopwatch.GetElapsedTime(start);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Run512(long rounds, Span<float> chains)
    {
        var (factor, addend) = (Vector512.Create(Factor), Vector512.Create(Addend));
        var x0 = Vector512.Create<float>(chains.Slice(0, 16));
        var x1 = Vector512.Create<float>(chains.Slice(16, 16));
        var x2 = Vector512.Create<float>(chains.Slice(32, 16));
        var x3 = Vector512.Create<float>(chains.Slice(48, 16));
        var x4 = Vector512.Create<float>(chains.Slice(64, 16));
        var x5 = Vector512.Create<float>(chains.Slice(80, 16));
        var x6 = Vector512.Create<float>(chains.Slice(96, 16));
        var x7 = Vector512.Create<float>(chains.Slice(112, 16));
        var x8 = Vector512.Create<float>(chains.Slice(128, 16));
        var x9 = Vector512.Create<float>(chains.Slice(144, 16));
        var x10 = Vector512.Create<float>(chains.Slice(160, 16));
        var x11 = Vector512.Create<float>(chains.Slice(176, 16));
        var x12 = Vector512.Create<float>(chains.Slice(192, 16));
        var x13 = Vector512.Create<float>(chains.Slice(208, 16));
        var x14 = Vector512.Create<float>(chains.Slice(224, 16));
        var x15 = Vector512.Create<float>(chains.Slice(240, 16));
        for (; rounds > 0; rounds--)
        {
            x0 = Vector512.FusedMultiplyAdd(x0, factor, addend);
            x1 = Vector512.FusedMultiplyAdd(x1, factor, addend);
            x2 = Vector512.FusedMultiplyAdd(x2, factor, addend);
            x3 = Vector512.FusedMultiplyAdd(x3, factor, addend);
            x4 = Vector512.FusedMultiplyAdd(x4, factor, addend);
            x5 = Vector512.FusedMultiplyAdd(x5, factor, addend);
            x6 = Vector512.FusedMultiplyAdd(x6, factor, addend);
            x7 = Vector512.FusedMultiplyAdd(x7, factor, addend);
            x8 = Vector512.FusedMultiplyAdd(x8, factor, addend);
            x9 = Vector512.FusedMultiplyAdd(x9, factor, addend);
            x10 = Vector512.FusedMultiplyAdd(x10, factor, addend);
            x11 = Vector512.FusedMultiplyAdd(x11, factor, addend);
            x12 = Vector512.FusedMultiplyAdd(x12, factor, addend);
            x13 = Vector512.FusedMultiplyAdd(x13, factor, addend);
            x14 = Vector512.FusedMultiplyAdd(x14, factor, addend);
            x15 = Vector512.FusedMultiplyAdd(x15, factor, addend);
        }

        x0.CopyTo(chains[0..]);
        x1.CopyTo(chains[16..]);
        x2.CopyTo(chains[32..]);
        x3.CopyTo(chains[48..]);
        x4.CopyTo(chains[64..]);
        x5.CopyTo(chains[80..]);
        x6.CopyTo(chains[96..]);
        x7.CopyTo(chains[112..]);
        x8.CopyTo(chains[128..]);
        x9.CopyTo(chains[144..]);
        x10.CopyTo(chains[160..]);
        x11.CopyTo(chains[176..]);
        x12.CopyTo(chains[192..]);
        x13.CopyTo(chains[208..]);
        x14.CopyTo(chains[224..]);
        x15.CopyTo(chains[240..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Run256(long rounds, Span<float> chains)
    {
        var (factor, addend) = (Vector256.Create(Factor), Vector256.Create(Addend));
        var x0 = Vector256.Create<float>(chains.Slice(0, 8));
        var x1 = Vector256.Create<float>(chains.Slice(8, 8));
        var x2 = Vector256.Create<float>(chains.Slice(16, 8));
        var x3 = Vector256.Create<float>(chains.Slice(24, 8));
        var x4 = Vector256.Create<float>(chains.Slice(32, 8));
        var x5 = Vector256.Create<float>(chains.Slice(40, 8));
        var x6 = Vector256.Create<float>(chains.Slice(48, 8));
        var x7 = Vector256.Create<float>(chains.Slice(56, 8));
        var x8 = Vector256.Create<float>(chains.Slice(64, 8));
        var x9 = Vector256.Create<float>(chains.Slice(72, 8));
        var x10 = Vector256.Create<float>(chains.Slice(80, 8));
        var x11 = Vector256.Create<float>(chains.Slice(88, 8));
        for (; rounds > 0; rounds--)
        {
            x0 = Vector256.FusedMultiplyAdd(x0, factor, addend);
            x1 = Vector256.FusedMultiplyAdd(x1, factor, addend);
            x2 = Vector256.FusedMultiplyAdd(x2, factor, addend);
            x3 = Vector256.FusedMultiplyAdd(x3, factor, addend);
            x4 = Vector256.FusedMultiplyAdd(x4, factor, addend);
            x5 = Vector256.FusedMultiplyAdd(x5, factor, addend);
            x6 = Vector256.FusedMultiplyAdd(x6, factor, addend);
            x7 = Vector256.FusedMultiplyAdd(x7, factor, addend);
            x8 = Vector256.FusedMultiplyAdd(x8, factor, addend);
            x9 = Vector256.FusedMultiplyAdd(x9, factor, addend);
            x10 = Vector256.FusedMultiplyAdd(x10, factor, addend);
            x11 = Vector256.FusedMultiplyAdd(x11, factor, addend);
        }

        x0.CopyTo(chains[0..]);
        x1.CopyTo(chains[8..]);
        x2.CopyTo(chains[16..]);
        x3.CopyTo(chains[24..]);
        x4.CopyTo(chains[32..]);
        x5.CopyTo(chains[40..]);
        x6.CopyTo(chains[48..]);
        x7.CopyTo(chains[56..]);
        x8.CopyTo(chains[64..]);
        x9.CopyTo(chains[72..]);
        x10.CopyTo(chains[80..]);
        x11.CopyTo(chains[88..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Run128(long rounds, Span<float> chains)
    {
        var (factor, addend) = (Vector128.Create(Factor), Vector128.Create(Addend));
        var x0 = Vector128.Create<float>(chains.Slice(0, 4));
        var x1 = Vector128.Create<float>(chains.Slice(4, 4));
        var x2 = Vector128.Create<float>(chains.Slice(8, 4));
        var x3 = Vector128.Create<float>(chains.Slice(12, 4));
        var x4 = Vector128.Create<float>(chains.Slice(16, 4));
        var x5 = Vector128.Create<float>(chains.Slice(20, 4));
        var x6 = Vector128.Create<float>(chains.Slice(24, 4));
        var x7 = Vector128.Create<float>(chains.Slice(28, 4));
        var x8 = Vector128.Create<float>(chains.Slice(32, 4));
        var x9 = Vector128.Create<float>(chains.Slice(36, 4));
        var x10 = Vector128.Create<float>(chains.Slice(40, 4));
        var x11 = Vector128.Create<float>(chains.Slice(44, 4));
        for (; rounds > 0; rounds--)
        {
            x0 = Vector128.FusedMultiplyAdd(x0, factor, addend);
            x1 = Vector128.FusedMultiplyAdd(x1, factor, addend);
            x2 = Vector128.FusedMultiplyAdd(x2, factor, addend);
            x3 = Vector128.FusedMultiplyAdd(x3, factor, addend);
            x4 = Vector128.FusedMultiplyAdd(x4, factor, addend);
            x5 = Vector128.FusedMultiplyAdd(x5, factor, addend);
            x6 = Vector128.FusedMultiplyAdd(x6, factor, addend);
            x7 = Vector128.FusedMultiplyAdd(x7, factor, addend);
            x8 = Vector128.FusedMultiplyAdd(x8, factor, addend);
            x9 = Vector128.FusedMultiplyAdd(x9, factor, addend);
            x10 = Vector128.FusedMultiplyAdd(x10, factor, addend);
            x11 = Vector128.FusedMultiplyAdd(x11, factor, addend);
        }

        x0.CopyTo(chains[0..]);
        x1.CopyTo(chains[4..]);
        x2.CopyTo(chains[8..]);
        x3.CopyTo(chains[12..]);
        x4.CopyTo(chains[16..]);
        x5.CopyTo(chains[20..]);
        x6.CopyTo(chains[24..]);
        x7.CopyTo(chains[28..]);
        x8.CopyTo(chains[32..]);
        x9.CopyTo(chains[36..]);
        x10.CopyTo(chains[40..]);
        x11.CopyTo(chains[44..]);
    }
}
