using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// For each unit of an activation layer the largest |y| and |f'(x)| over rows: 0 is a dead unit, a small slope a saturated
/// one. A maximum does not depend on the order. NaN is the largest of all.
/// </summary>
internal static class UnitExtremes
{
    /// <summary>Takes rows (rows, units, places) into the extremes so far.</summary>
    /// <param name="function">f.</param>
    /// <param name="x">Inputs; read where the derivative needs them.</param>
    /// <param name="y">Outputs.</param>
    /// <param name="places">Values of a unit in a row: 1 where rows are flat, height · width where a unit is a channel.</param>
    /// <param name="values">Largest |y| (units), raised.</param>
    /// <param name="slopes">Largest |f'(x)| (units), raised.</param>
    /// <param name="flat">A slope below this is counted.</param>
    /// <returns>How many values of the rows have a smaller slope.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static long Add<TActivation>(
        TActivation function, ReadOnlySpan<float> x, ReadOnlySpan<float> y, int places, Span<float> values, Span<float> slopes, float flat)
        where TActivation : struct, IActivation
    {
        VectorMap.CheckLengths(x.Length, y.Length, typeof(TActivation).Name);
        VectorMap.CheckLengths(values.Length, slopes.Length, typeof(TActivation).Name);
        VectorMap.CheckRows(y.Length, values.Length * places, typeof(TActivation).Name);
        var below = 0L;
        if (places == 1)
        {
            for (var row = 0; row < y.Length; row += values.Length)
            {
                var inputs = x.Slice(row, values.Length);
                var outputs = y.Slice(row, values.Length);
                for (var i = 0; i < values.Length; i += VectorMap.Lanes)
                {
                    var (value, slope) = Lanes(function, inputs, outputs, i, flat, ref below);
                    VectorMap.Store(Vector512.Max(VectorMap.Load(values, i), value), values, i);
                    VectorMap.Store(Vector512.Max(VectorMap.Load(slopes, i), slope), slopes, i);
                }
            }

            return below;
        }

        for (var (start, unit) = (0, 0); start < y.Length; (start, unit) = (start + places, unit + 1 < values.Length ? unit + 1 : 0))
        {
            var inputs = x.Slice(start, places);
            var outputs = y.Slice(start, places);
            var (value, slope) = (Vector512<float>.Zero, Vector512<float>.Zero);
            for (var i = 0; i < places; i += VectorMap.Lanes)
            {
                var (nextValue, nextSlope) = Lanes(function, inputs, outputs, i, flat, ref below);
                (value, slope) = (Vector512.Max(value, nextValue), Vector512.Max(slope, nextSlope));
            }

            values[unit] = MathF.Max(values[unit], Largest(value));
            slopes[unit] = MathF.Max(slopes[unit], Largest(slope));
        }

        return below;
    }

    // |y| and |f'(x)| of the elements from i on; 0 behind the end, where f' itself may be anything.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<float> Value, Vector512<float> Slope) Lanes<TActivation>(
        TActivation function, ReadOnlySpan<float> x, ReadOnlySpan<float> y, int i, float flat, ref long below)
        where TActivation : struct, IActivation
    {
        var output = VectorMap.Load(y, i);
        var input = TActivation.NeedsInput ? VectorMap.Load(x, i) : default;
        var inside = Vector512.LessThan(Vector512<float>.Indices, Vector512.Create((float)(y.Length - i)));
        var slope = Vector512.Abs(function.Backward(Vector512<float>.One, input, output)) & inside;
        below += BitOperations.PopCount(Vector512.ExtractMostSignificantBits(Vector512.LessThan(slope, Vector512.Create(flat)) & inside));
        return (Vector512.Abs(output), slope);
    }

    private static float Largest(Vector512<float> lanes)
    {
        var largest = 0f;
        for (var lane = 0; lane < VectorMap.Lanes; lane++)
        {
            largest = MathF.Max(largest, lanes[lane]);
        }

        return largest;
    }
}
