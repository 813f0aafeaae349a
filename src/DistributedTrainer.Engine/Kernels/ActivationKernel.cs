using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>An element-wise function y = f(x) and its derivative, 16 lanes at a time.</summary>
internal interface IActivation
{
    /// <summary>Whether the derivative is computed from x; if not, backward does not read it.</summary>
    static abstract bool NeedsInput { get; }

    /// <summary>Whether the derivative is computed from y; if not, backward does not read it.</summary>
    static abstract bool NeedsOutput { get; }

    /// <summary>y = f(x).</summary>
    Vector512<float> Forward(Vector512<float> x);

    /// <summary>dx = dy · f'(x).</summary>
    Vector512<float> Backward(Vector512<float> dy, Vector512<float> x, Vector512<float> y);
}

/// <summary>Runs activations over spans of equal length; an element's bits do not depend on its place.</summary>
internal static class ActivationKernel
{
    /// <summary>y = f(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Forward<TActivation>(TActivation function, Span<float> y, ReadOnlySpan<float> x)
        where TActivation : struct, IActivation
    {
        VectorMap.CheckLengths(y.Length, x.Length, typeof(TActivation).Name);
        for (var i = 0; i < y.Length; i += VectorMap.Lanes)
        {
            VectorMap.Store(function.Forward(VectorMap.Load(x, i)), y, i);
        }
    }

    /// <summary>dx = dy · f'(x). Of x and y only what the function needs is read; the other may be empty.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Backward<TActivation>(TActivation function, Span<float> dx, ReadOnlySpan<float> dy, ReadOnlySpan<float> x, ReadOnlySpan<float> y)
        where TActivation : struct, IActivation
    {
        VectorMap.CheckLengths(dx.Length, dy.Length, typeof(TActivation).Name);
        VectorMap.CheckLengths(dx.Length, TActivation.NeedsInput ? x.Length : dx.Length, typeof(TActivation).Name);
        VectorMap.CheckLengths(dx.Length, TActivation.NeedsOutput ? y.Length : dx.Length, typeof(TActivation).Name);
        for (var i = 0; i < dx.Length; i += VectorMap.Lanes)
        {
            var input = TActivation.NeedsInput ? VectorMap.Load(x, i) : default;
            var output = TActivation.NeedsOutput ? VectorMap.Load(y, i) : default;
            VectorMap.Store(function.Backward(VectorMap.Load(dy, i), input, output), dx, i);
        }
    }
}
