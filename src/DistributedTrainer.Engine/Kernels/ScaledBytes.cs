using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Blocks of integers from −127 to 127 times a power of two, the one with which the largest of the block comes to lie from
/// 64 on. Of a power of two only the exponent has to be sent, multiplying by it is exact, and what was rounded once has the
/// same scale again: rounding it, packing it and unpacking it change no bit.
/// </summary>
internal static class ScaledBytes
{
    /// <summary>
    /// Elements that share a scale. The smaller, the less a large element costs its neighbours' precision; with 128 the scales
    /// are 0.8 % of the bytes.
    /// </summary>
    public const int BlockLength = 128;

    // A block whose largest element is below 2^-100 is nothing: the scale and its reciprocal stay normal numbers.
    private const int LeastExponent = 27;
    private const int LargestExponent = 254;
    private const int Limit = 127;

    // Added and subtracted, it leaves the nearest integer, ties to even.
    private const float Rounder = 12582912;

    /// <summary>One byte for the scale of each block, one for each element.</summary>
    public static int Bytes(int length) => length + ((length + BlockLength - 1) / BlockLength);

    /// <summary>Each element becomes the nearest of its block's numbers.</summary>
    /// <param name="values">They begin at a block's border.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Round(Span<float> values)
    {
        for (var start = 0; start < values.Length; start += BlockLength)
        {
            var block = values.Slice(start, Math.Min(BlockLength, values.Length - start));
            var exponent = ExponentOf(block);
            if (exponent == 0)
            {
                block.Clear();
                continue;
            }

            var (scale, reciprocal) = ScaleOf(exponent);
            for (var i = 0; i < block.Length; i += VectorMap.Lanes)
            {
                VectorMap.Store(Integers(VectorMap.Load(block, i), reciprocal) * scale, block, i);
            }
        }
    }

    /// <summary>Writes rounded numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(ReadOnlySpan<float> values, Span<byte> into)
    {
        Span<sbyte> padded = stackalloc sbyte[BlockLength];
        var at = 0;
        for (var start = 0; start < values.Length; start += BlockLength)
        {
            var block = values.Slice(start, Math.Min(BlockLength, values.Length - start));
            var exponent = ExponentOf(block);
            into[at++] = (byte)exponent;
            var to = MemoryMarshal.Cast<byte, sbyte>(into.Slice(at, block.Length));
            at += block.Length;
            if (exponent == 0)
            {
                to.Clear();
                continue;
            }

            var (_, reciprocal) = ScaleOf(exponent);
            var whole = block.Length == BlockLength ? to : padded;
            for (var i = 0; i < block.Length; i += 4 * VectorMap.Lanes)
            {
                var low = Vector512.Narrow(IntegersAt(block, i, reciprocal), IntegersAt(block, i + VectorMap.Lanes, reciprocal));
                var high = Vector512.Narrow(IntegersAt(block, i + (2 * VectorMap.Lanes), reciprocal), IntegersAt(block, i + (3 * VectorMap.Lanes), reciprocal));
                Vector512.Narrow(low, high).CopyTo(whole[i..]);
            }

            if (block.Length < BlockLength)
            {
                padded[..block.Length].CopyTo(to);
            }
        }
    }

    /// <summary>Reads them. False: the bytes were not written by <see cref="Pack"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool TryUnpack(ReadOnlySpan<byte> packed, Span<float> values)
    {
        if (packed.Length != Bytes(values.Length))
        {
            return false;
        }

        Span<sbyte> padded = stackalloc sbyte[BlockLength];
        var at = 0;
        for (var start = 0; start < values.Length; start += BlockLength)
        {
            var block = values.Slice(start, Math.Min(BlockLength, values.Length - start));
            int exponent = packed[at++];
            scoped var from = MemoryMarshal.Cast<byte, sbyte>(packed.Slice(at, block.Length));
            at += block.Length;
            if (exponent == 0)
            {
                block.Clear();
                continue;
            }

            if (exponent is < LeastExponent or > LargestExponent)
            {
                return false;
            }

            if (block.Length < BlockLength)
            {
                from.CopyTo(padded);
                from = padded;
            }

            var (scale, _) = ScaleOf(exponent);
            for (var i = 0; i < block.Length; i += 4 * VectorMap.Lanes)
            {
                var (low, high) = Vector512.Widen(Vector512.Create(from[i..]));
                StoreIntegers(low, scale, block, i);
                StoreIntegers(high, scale, block, i + (2 * VectorMap.Lanes));
            }
        }

        return true;
    }

    // The biased exponent of the largest; 0: all are 0, or as good as that.
    private static int ExponentOf(ReadOnlySpan<float> block)
    {
        var exponent = Math.Min(BitConverter.SingleToInt32Bits(Magnitude.Largest(block)) >> 23, LargestExponent);
        return exponent < LeastExponent ? 0 : exponent;
    }

    // 2^(e − 6) and its reciprocal.
    private static (Vector512<float> Scale, Vector512<float> Reciprocal) ScaleOf(int exponent) =>
        (Vector512.Create(BitConverter.Int32BitsToSingle((exponent - 6) << 23)), Vector512.Create(BitConverter.Int32BitsToSingle((260 - exponent) << 23)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Integers(Vector512<float> x, Vector512<float> reciprocal)
    {
        var rounder = Vector512.Create(Rounder);
        return Vector512.Min(Vector512.Max((x * reciprocal) + rounder - rounder, Vector512.Create((float)-Limit)), Vector512.Create((float)Limit));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> IntegersAt(ReadOnlySpan<float> block, int start, Vector512<float> reciprocal) =>
        start < block.Length ? Vector512.ConvertToInt32(Integers(VectorMap.Load(block, start), reciprocal)) : default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreIntegers(Vector512<short> integers, Vector512<float> scale, Span<float> block, int start)
    {
        var (low, high) = Vector512.Widen(integers);
        if (start < block.Length)
        {
            VectorMap.Store(Vector512.ConvertToSingle(low) * scale, block, start);
        }

        if (start + VectorMap.Lanes < block.Length)
        {
            VectorMap.Store(Vector512.ConvertToSingle(high) * scale, block, start + VectorMap.Lanes);
        }
    }
}
