using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>Element-wise operations on spans of equal length. Sums and products are the library's, which are exact per element.</summary>
public static class ElementWise
{
    /// <summary>destination = x + y.</summary>
    public static void Add(Span<float> destination, ReadOnlySpan<float> x, ReadOnlySpan<float> y) => TensorPrimitives.Add(x, y, destination);

    /// <summary>destination += source.</summary>
    public static void AddTo(Span<float> destination, ReadOnlySpan<float> source) => TensorPrimitives.Add(destination, source, destination);

    /// <summary>destination = x · y, element by element.</summary>
    public static void Multiply(Span<float> destination, ReadOnlySpan<float> x, ReadOnlySpan<float> y) => TensorPrimitives.Multiply(x, y, destination);

    /// <summary>destination = max(x, y), element by element; NaN where one of them is, and +0 is above −0.</summary>
    public static void Max(Span<float> destination, ReadOnlySpan<float> x, ReadOnlySpan<float> y) => TensorPrimitives.Max(x, y, destination);

    /// <summary>dx of max(x, y) = dz where x is the larger one, or of equals where it wins those; else 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MaxBackward(Span<float> dx, ReadOnlySpan<float> dz, ReadOnlySpan<float> x, ReadOnlySpan<float> y, bool winsTies)
    {
        VectorMap.CheckLengths(dx.Length, dz.Length);
        VectorMap.CheckLengths(dx.Length, x.Length);
        VectorMap.CheckLengths(dx.Length, y.Length);
        for (var i = 0; i < dx.Length; i += VectorMap.Lanes)
        {
            var (own, other) = (VectorMap.Load(x, i), VectorMap.Load(y, i));
            var wins = winsTies ? ~Vector512.LessThan(own, other) : Vector512.GreaterThan(own, other);
            VectorMap.Store(wins & VectorMap.Load(dz, i), dx, i);
        }
    }

    /// <summary>destination = x · factor.</summary>
    public static void Scale(Span<float> destination, ReadOnlySpan<float> x, float factor) => TensorPrimitives.Multiply(x, factor, destination);

    /// <summary>Adds the row b(N) to each of the rows of y(M,N).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddRowVector(Span<float> y, ReadOnlySpan<float> b)
    {
        VectorMap.CheckRows(y.Length, b.Length);
        for (var start = 0; start < y.Length; start += b.Length)
        {
            AddTo(y.Slice(start, b.Length), b);
        }
    }
}
