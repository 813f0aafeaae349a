using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>y = f(x), 16 lanes at a time.</summary>
internal interface IUnary
{
    static abstract Vector512<float> Apply(Vector512<float> x);
}

/// <summary>
/// Runs a lane function over spans. The tail goes through the same 16 lanes in a padded block: an element's bits depend
/// neither on its place nor on the width of the processor's vectors.
/// </summary>
internal static class VectorMap
{
    public const int Lanes = 16;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unary<TOperation>(Span<float> destination, ReadOnlySpan<float> source, [CallerMemberName] string operation = "")
        where TOperation : struct, IUnary
    {
        CheckLengths(destination.Length, source.Length, operation);
        var i = 0;
        for (; i <= source.Length - Lanes; i += Lanes)
        {
            TOperation.Apply(Vector512.Create(source[i..])).CopyTo(destination[i..]);
        }

        if (i < source.Length)
        {
            Span<float> block = stackalloc float[Lanes];
            block.Clear();
            source[i..].CopyTo(block);
            TOperation.Apply(Vector512.Create<float>(block)).CopyTo(block);
            block[..(source.Length - i)].CopyTo(destination[i..]);
        }
    }

    /// <summary>The 16 elements from start on; lanes behind the end hold the filling.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(ReadOnlySpan<float> source, int start, float filling = 0) =>
        start <= source.Length - Lanes ? Vector512.Create(source[start..]) : LoadTail(source[start..], filling);

    /// <summary>Writes the lanes that lie before the end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> lanes, Span<float> destination, int start)
    {
        if (start <= destination.Length - Lanes)
        {
            lanes.CopyTo(destination[start..]);
        }
        else
        {
            StoreTail(lanes, destination[start..]);
        }
    }

    /// <summary>The first lanes from a place on, at most 16; the others hold 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe Vector512<float> Load(float* source, int count)
    {
        if (count >= Lanes)
        {
            return Vector512.Load(source);
        }

        // A call would send the caller's registers to memory.
        return Avx512F.IsSupported ? Avx512F.MaskLoad(source, First(count), default) : LoadTail(new ReadOnlySpan<float>(source, count), 0);
    }

    /// <summary>Writes the first lanes, at most 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Store(Vector512<float> lanes, float* destination, int count)
    {
        if (count >= Lanes)
        {
            lanes.Store(destination);
        }
        else if (Avx512F.IsSupported)
        {
            Avx512F.MaskStore(destination, First(count), lanes);
        }
        else
        {
            StoreTail(lanes, new Span<float>(destination, count));
        }
    }

    /// <summary>−1, 0 or 1; 0 for NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Sign(Vector512<float> x) =>
        (Vector512.GreaterThan(x, Vector512<float>.Zero) & Vector512<float>.One) - (Vector512.LessThan(x, Vector512<float>.Zero) & Vector512<float>.One);

    /// <summary>Adds 16 lanes in the one fixed order: halves onto halves.</summary>
    public static float SumLanes(Vector512<float> lanes)
    {
        Span<float> sums = stackalloc float[Lanes];
        lanes.CopyTo(sums);
        for (var half = Lanes / 2; half > 0; half /= 2)
        {
            for (var i = 0; i < half; i++)
            {
                sums[i] += sums[i + half];
            }
        }

        return sums[0];
    }

    /// <summary>All bits set in the first lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> First(int count) => Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count)).AsSingle();

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static unsafe Vector512<float> LoadTail(ReadOnlySpan<float> tail, float filling)
    {
        var block = stackalloc float[Lanes];
        Vector512.Create(filling).Store(block);
        fixed (float* from = tail)
        {
            CopyTail(from, block, tail.Length);
        }

        return Vector512.Load(block);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static unsafe void StoreTail(Vector512<float> lanes, Span<float> tail)
    {
        var block = stackalloc float[Lanes];
        lanes.Store(block);
        fixed (float* to = tail)
        {
            CopyTail(block, to, tail.Length);
        }
    }

    // Fewer than 16 elements: a call that looks at the length would cost more than the copy.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void CopyTail(float* from, float* to, int length)
    {
        if ((length & 8) != 0)
        {
            Vector256.Load(from).Store(to);
            from += 8;
            to += 8;
        }

        if ((length & 4) != 0)
        {
            Vector128.Load(from).Store(to);
            from += 4;
            to += 4;
        }

        for (var i = 0; i < (length & 3); i++)
        {
            to[i] = from[i];
        }
    }

    /// <summary>Two lengths must be equal; the operation is the method that asks, unless it is named better.</summary>
    public static void CheckLengths(int destination, int source, [CallerMemberName] string operation = "")
    {
        if (destination != source)
        {
            throw new ArgumentException($"{operation}: lengths {destination} and {source} differ; they must be equal.");
        }
    }

    /// <summary>The elements must be whole rows.</summary>
    public static void CheckRows(int elements, int columns, [CallerMemberName] string operation = "")
    {
        // Without columns there are no elements: a loop over rows would never end.
        if (columns == 0 ? elements != 0 : elements % columns != 0)
        {
            throw new ArgumentException($"{operation}: {elements} elements are no whole rows of {columns} columns.");
        }
    }
}
