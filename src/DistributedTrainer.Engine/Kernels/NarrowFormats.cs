using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>A floating-point format of 16 bits.</summary>
internal interface INarrowFormat
{
    /// <summary>The nearest number of the format, ties to even; what is beyond its largest number becomes that.</summary>
    static abstract Vector512<float> Round(Vector512<float> x);

    /// <summary>The 16 bits of numbers that the format has.</summary>
    static abstract Vector512<uint> Pack(Vector512<float> x);

    /// <summary>The numbers.</summary>
    static abstract Vector512<float> Unpack(Vector512<uint> bits);
}

/// <summary>IEEE 754 binary16: 11 bits of precision, from 2^-24 to 65504.</summary>
internal readonly struct Float16Format : INarrowFormat
{
    // 2^112: between the exponents' biases, 127 and 15.
    private const float Rebias = 5.192296858534828e33f;
    private const float Largest = 65504;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Round(Vector512<float> x)
    {
        var bits = x.AsInt32();
        var size = Vector512.Min(bits & Vector512.Create(int.MaxValue), Vector512.Create(BitConverter.SingleToInt32Bits(Largest)));
        var normal = (size + Vector512.Create(0xFFF) + ((size >> 13) & Vector512<int>.One)) & Vector512.Create(~0x1FFF);

        // Below 2^-14 the numbers of the format are the multiples of 2^-24, as those of float32 between a half and one.
        var half = Vector512.Create(0.5f);
        var small = (size.AsSingle() + half - half).AsInt32();
        var isSmall = Vector512.LessThan(size, Vector512.Create(BitConverter.SingleToInt32Bits(6.103515625e-5f)));
        return (Vector512.ConditionalSelect(isSmall, small, normal) | (bits & Vector512.Create(int.MinValue))).AsSingle();
    }

    // Multiplied, the number has the exponent of the format, also where that is 0.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Pack(Vector512<float> x)
    {
        var bits = x.AsUInt32();
        var size = ((bits & Vector512.Create((uint)int.MaxValue)).AsSingle() * Vector512.Create(1 / Rebias)).AsUInt32();
        return (size >> 13) | ((bits >> 16) & Vector512.Create(0x8000u));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Unpack(Vector512<uint> bits)
    {
        var size = ((bits & Vector512.Create(0x7FFFu)) << 13).AsSingle() * Vector512.Create(Rebias);
        return (size.AsUInt32() | ((bits & Vector512.Create(0x8000u)) << 16)).AsSingle();
    }
}

/// <summary>bfloat16: 8 bits of precision, the range of float32.</summary>
internal readonly struct BFloat16Format : INarrowFormat
{
    private const int LargestBits = 0x7F7F0000;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Round(Vector512<float> x)
    {
        var bits = x.AsInt32();
        var size = Vector512.Min(bits & Vector512.Create(int.MaxValue), Vector512.Create(LargestBits));
        var rounded = (size + Vector512.Create(0x7FFF) + ((size >> 16) & Vector512<int>.One)) & Vector512.Create(~0xFFFF);
        return (rounded | (bits & Vector512.Create(int.MinValue))).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Pack(Vector512<float> x) => x.AsUInt32() >> 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Unpack(Vector512<uint> bits) => (bits << 16).AsSingle();
}

/// <summary>Spans in a format of 16 bits.</summary>
internal static class NarrowKernel
{
    private const int Step = 2 * VectorMap.Lanes;

    /// <summary>Each element becomes the nearest number of the format.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Round<TFormat>(Span<float> values)
        where TFormat : struct, INarrowFormat
    {
        for (var i = 0; i < values.Length; i += VectorMap.Lanes)
        {
            VectorMap.Store(TFormat.Round(VectorMap.Load(values, i)), values, i);
        }
    }

    /// <summary>Two bytes an element.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack<TFormat>(ReadOnlySpan<float> values, Span<byte> into)
        where TFormat : struct, INarrowFormat
    {
        var packed = MemoryMarshal.Cast<byte, ushort>(into);
        Span<ushort> block = stackalloc ushort[Step];
        for (var i = 0; i < values.Length; i += Step)
        {
            var second = i + VectorMap.Lanes < values.Length ? VectorMap.Load(values, i + VectorMap.Lanes) : default;
            var lanes = Vector512.Narrow(TFormat.Pack(VectorMap.Load(values, i)), TFormat.Pack(second));
            if (i <= values.Length - Step)
            {
                lanes.CopyTo(packed[i..]);
            }
            else
            {
                lanes.CopyTo(block);
                block[..(values.Length - i)].CopyTo(packed[i..]);
            }
        }
    }

    /// <summary>The elements again.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpack<TFormat>(ReadOnlySpan<byte> packed, Span<float> values)
        where TFormat : struct, INarrowFormat
    {
        var source = MemoryMarshal.Cast<byte, ushort>(packed);
        Span<ushort> block = stackalloc ushort[Step];
        for (var i = 0; i < values.Length; i += Step)
        {
            Vector512<ushort> lanes;
            if (i <= values.Length - Step)
            {
                lanes = Vector512.Create(source[i..]);
            }
            else
            {
                source[i..values.Length].CopyTo(block);
                lanes = Vector512.Create<ushort>(block);
            }

            var (first, second) = Vector512.Widen(lanes);
            VectorMap.Store(TFormat.Unpack(first), values, i);
            if (i + VectorMap.Lanes < values.Length)
            {
                VectorMap.Store(TFormat.Unpack(second), values, i + VectorMap.Lanes);
            }
        }
    }
}
