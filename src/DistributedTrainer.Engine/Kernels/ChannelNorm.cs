using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// Batch normalisation of one channel and the activation behind it: y = f(z), z = γ · x̂ + β, x̂ = (x − mean) · inverseStd.
/// Neither x̂ nor z is kept; the way back computes them again from x, with the same rounding. The mean is taken off in two
/// parts, which keeps its digits.
/// </summary>
internal readonly unsafe struct ChannelNorm(double mean, float inverseStd, float gamma, float beta)
{
    private readonly float _high = (float)mean;
    private readonly float _low = (float)(mean - (float)mean);
    private readonly float _inverse = inverseStd;
    private readonly float _gamma = gamma;
    private readonly float _beta = beta;

    /// <summary>y = f(γ · x̂ + β) of one plane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Forward<TActivation>(TActivation function, float* x, float* y, int positions)
        where TActivation : struct, IActivation
    {
        var (whole, rest) = Cut(positions);
        var xRest = Rest(x + whole, rest);
        var lanes = new Lanes(this);
        for (var i = 0; i < whole; i += VectorMap.Lanes)
        {
            function.Forward(lanes.Scaled(lanes.Normal(Vector512.Load(x + i)))).Store(y + i);
        }

        if (rest > 0)
        {
            VectorMap.Store(function.Forward(lanes.Scaled(lanes.Normal(xRest))), y + whole, rest);
        }
    }

    /// <summary>Σ dz and Σ dz · x̂ of one plane in float64, dz = dy · f'(z): 16 fixed lanes, combined halves onto halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public (double Dz, double DzXhat) BackwardSums<TActivation>(TActivation function, float* dy, float* x, int positions)
        where TActivation : struct, IActivation
    {
        var (whole, rest) = Cut(positions);
        var (xRest, dyRest) = (Rest(x + whole, rest), Rest(dy + whole, rest));
        var lanes = new Lanes(this);
        var (sumLow, sumHigh) = (Vector512<double>.Zero, Vector512<double>.Zero);
        var (productLow, productHigh) = (Vector512<double>.Zero, Vector512<double>.Zero);
        for (var i = 0; i < positions; i += VectorMap.Lanes)
        {
            var normal = lanes.Normal(i < whole ? Vector512.Load(x + i) : xRest);
            var (dzLow, dzHigh) = Vector512.Widen(lanes.Slope(function, i < whole ? Vector512.Load(dy + i) : dyRest, normal));
            var (normalLow, normalHigh) = Vector512.Widen(normal);
            sumLow += dzLow;
            sumHigh += dzHigh;
            productLow += dzLow * normalLow;
            productHigh += dzHigh * normalHigh;
        }

        return (PlaneReduction.Combine(sumLow + sumHigh), PlaneReduction.Combine(productLow + productHigh));
    }

    /// <summary>dx = γ · inverseStd · (dz − Σdz / n − x̂ · Σ(dz · x̂) / n) of one plane, n = numbers of the channel behind the sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void BackwardInput<TActivation>(
        TActivation function, float* dx, float* dy, float* x, int positions, double sumDz, double sumDzXhat, long count)
        where TActivation : struct, IActivation
    {
        var (whole, rest) = Cut(positions);
        var (xRest, dyRest) = (Rest(x + whole, rest), Rest(dy + whole, rest));
        var lanes = new Lanes(this);
        var (meanDz, meanDzXhat) = (Vector512.Create((float)(sumDz / count)), Vector512.Create((float)(-sumDzXhat / count)));
        var scale = Vector512.Create(_gamma * _inverse);
        for (var i = 0; i < whole; i += VectorMap.Lanes)
        {
            var normal = lanes.Normal(Vector512.Load(x + i));
            var dz = lanes.Slope(function, Vector512.Load(dy + i), normal);
            (Vector512.FusedMultiplyAdd(normal, meanDzXhat, dz - meanDz) * scale).Store(dx + i);
        }

        if (rest > 0)
        {
            var normal = lanes.Normal(xRest);
            var dz = lanes.Slope(function, dyRest, normal);
            VectorMap.Store(Vector512.FusedMultiplyAdd(normal, meanDzXhat, dz - meanDz) * scale, dx + whole, rest);
        }
    }

    // The rest is read before the loop: a call behind it would send the loop's registers to memory in every turn.
    private static (int Whole, int Left) Cut(int positions) => (positions / VectorMap.Lanes * VectorMap.Lanes, positions % VectorMap.Lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Rest(float* from, int count) => count == 0 ? default : VectorMap.Load(from, count);

    /// <summary>The channel's numbers, each in all lanes.</summary>
    private readonly struct Lanes(in ChannelNorm norm)
    {
        private readonly Vector512<float> _high = Vector512.Create(norm._high);
        private readonly Vector512<float> _low = Vector512.Create(norm._low);
        private readonly Vector512<float> _inverse = Vector512.Create(norm._inverse);
        private readonly Vector512<float> _gamma = Vector512.Create(norm._gamma);
        private readonly Vector512<float> _beta = Vector512.Create(norm._beta);

        /// <summary>x̂.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Normal(Vector512<float> x) => (x - _high - _low) * _inverse;

        /// <summary>z = γ · x̂ + β.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Scaled(Vector512<float> normal) => Vector512.FusedMultiplyAdd(normal, _gamma, _beta);

        /// <summary>dz = dy · f'(z).</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Slope<TActivation>(TActivation function, Vector512<float> dy, Vector512<float> normal)
            where TActivation : struct, IActivation
        {
            if (!TActivation.NeedsInput && !TActivation.NeedsOutput)
            {
                return function.Backward(dy, default, default);
            }

            var z = Scaled(normal);
            return function.Backward(dy, z, TActivation.NeedsOutput ? function.Forward(z) : default);
        }
    }
}

/// <summary>The channels of a layer.</summary>
/// <param name="mean">Means (C).</param>
/// <param name="inverseStd">1 / √(variance + ε) (C).</param>
/// <param name="gamma">γ (C).</param>
/// <param name="beta">β (C).</param>
internal readonly ref struct ChannelNorms(
    ReadOnlySpan<double> mean, ReadOnlySpan<float> inverseStd, ReadOnlySpan<float> gamma, ReadOnlySpan<float> beta)
{
    private readonly ReadOnlySpan<double> _mean = mean;
    private readonly ReadOnlySpan<float> _inverseStd = inverseStd;
    private readonly ReadOnlySpan<float> _gamma = gamma;
    private readonly ReadOnlySpan<float> _beta = beta;

    /// <summary>One channel.</summary>
    public ChannelNorm this[int channel] => new(_mean[channel], _inverseStd[channel], _gamma[channel], _beta[channel]);

    /// <summary>The channel of the plane behind a plane of this channel.</summary>
    public int Next(int channel) => channel + 1 == _mean.Length ? 0 : channel + 1;
}
