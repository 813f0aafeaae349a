using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Looks bytes up in one table of 256 numbers. The table fills sixteen registers of sixteen lanes: eight permutations look
/// sixteen bytes up in all pairs of them, and the bytes' three upper bits choose. A load for each byte takes 2.4 times as long.
/// </summary>
public static unsafe class ByteTable
{
    private const int CacheLine = 64;

    /// <summary>Numbers of the table: one for each byte.</summary>
    public const int Values = 256;

    /// <summary>destination[i] = table[source[i]]: numbers are moved and none is computed.</summary>
    /// <param name="destination">As long as the source.</param>
    /// <param name="source">Bytes.</param>
    /// <param name="table">(256)</param>
    /// <param name="ahead">
    /// What will be looked up soon, or nothing: it is asked for meanwhile. A row of a shuffled epoch lies in no cache, and
    /// waiting for it takes longer than all else.
    /// </param>
    /// <exception cref="ArgumentException">The lengths differ, or the table has another length.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LookUp(Span<float> destination, ReadOnlySpan<byte> source, ReadOnlySpan<float> table, ReadOnlySpan<byte> ahead = default)
    {
        VectorMap.CheckLengths(destination.Length, source.Length);
        if (table.Length != Values)
        {
            throw new ArgumentException($"{nameof(LookUp)}: the table has {table.Length} numbers, {Values} are expected: one for each byte.", nameof(table));
        }

        var done = Avx512F.IsSupported ? LookUpSixteens(destination, source, table, ahead) : 0;
        for (var i = done; i < source.Length; i++)
        {
            destination[i] = table[source[i]];
        }
    }

    // So many as are whole sixteens.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int LookUpSixteens(Span<float> destination, ReadOnlySpan<byte> source, ReadOnlySpan<float> table, ReadOnlySpan<byte> ahead)
    {
        var rows = MemoryMarshal.Cast<float, Vector512<float>>(table);
        var (r0, r1, r2, r3, r4, r5, r6, r7) = (rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6], rows[7]);
        var (r8, r9, r10, r11, r12, r13, r14, r15) = (rows[8], rows[9], rows[10], rows[11], rows[12], rows[13], rows[14], rows[15]);
        var (bit5, bit6, bit7) = (Vector512.Create(32), Vector512.Create(64), Vector512.Create(128));
        var i = 0;
        for (; i <= source.Length - 16; i += 16)
        {
            if (i % CacheLine == 0 && i < ahead.Length)
            {
                Sse.Prefetch0(Unsafe.AsPointer(ref Unsafe.AsRef(in ahead[i])));
            }

            // A permutation looks at the five lower bits only.
            var bytes = Avx512F.ConvertToVector512Int32(Vector128.Create(source.Slice(i, 16)));
            var odd = Vector512.Equals(bytes & bit5, bit5).AsSingle();
            var a = Vector512.ConditionalSelect(odd, Avx512F.PermuteVar16x32x2(r2, bytes, r3), Avx512F.PermuteVar16x32x2(r0, bytes, r1));
            var b = Vector512.ConditionalSelect(odd, Avx512F.PermuteVar16x32x2(r6, bytes, r7), Avx512F.PermuteVar16x32x2(r4, bytes, r5));
            var c = Vector512.ConditionalSelect(odd, Avx512F.PermuteVar16x32x2(r10, bytes, r11), Avx512F.PermuteVar16x32x2(r8, bytes, r9));
            var d = Vector512.ConditionalSelect(odd, Avx512F.PermuteVar16x32x2(r14, bytes, r15), Avx512F.PermuteVar16x32x2(r12, bytes, r13));
            var second = Vector512.Equals(bytes & bit6, bit6).AsSingle();
            var lower = Vector512.ConditionalSelect(second, b, a);
            var upper = Vector512.ConditionalSelect(second, d, c);
            Vector512.ConditionalSelect(Vector512.Equals(bytes & bit7, bit7).AsSingle(), upper, lower).CopyTo(destination[i..]);
        }

        return i;
    }
}
