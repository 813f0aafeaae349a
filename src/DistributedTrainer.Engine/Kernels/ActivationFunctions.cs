using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

// The element-wise activations, value beside derivative. NaN stays NaN in all of them; at ±∞ value and derivative are
// the limits of the function.

/// <summary>y = x, so dx = dy: no activation.</summary>
internal readonly struct Identity : IActivation
{
    public static bool NeedsInput => false;

    public static bool NeedsOutput => false;

    public Vector512<float> Forward(Vector512<float> x) => x;

    public Vector512<float> Backward(Vector512<float> dy, Vector512<float> x, Vector512<float> y) => dy;
}

/// <summary>y = max(x, 0), so dx = dy where y &gt; 0, else 0.</summary>
internal readonly struct Relu : IActivation
{
    public static bool NeedsInput => false;

    public static bool NeedsOutput => true;

    public Vector512<float> Forward(Vector512<float> x) =>
        Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512<float>.Zero), Vector512<float>.Zero, x);

    public Vector512<float> Backward(Vector512<float> dy, Vector512<float> x, Vector512<float> y) =>
        Vector512.ConditionalSelect(Vector512.GreaterThan(y, Vector512<float>.Zero), dy, Vector512<float>.Zero);
}

/// <summary>y = x where x &gt; 0, else slope · x, so dx = dy where x &gt; 0, else slope · dy. Source: Maas, Hannun, Ng, 2013.</summary>
internal readonly struct LeakyRelu(float slope) : IActivation
{
    public static bool NeedsInput => true;

    public static bool NeedsOutput => false;

    public Vector512<float> Forward(Vector512<float> x) => Slope(x, x);

    public Vector512<float> Backward(Vector512<float> dy, Vector512<float> x, Vector512<float> y) => Slope(dy, x);

    private Vector512<float> Slope(Vector512<float> values, Vector512<float> x) =>
        Vector512.ConditionalSelect(Vector512.GreaterThan(x, Vector512<float>.Zero), values, values * Vector512.Create(slope));
}

/// <summary>
/// y = x where x &gt; 0, else α (e^x − 1), so dx = dy where x &gt; 0, else dy · α e^x. Not y + α, which cancels where the
/// function saturates. Source: Clevert, Unterthiner, Hochreiter, 2016.
/// </summary>
internal readonly struct Elu(float alpha) : IActivation
{
    public static bool NeedsInput => true;

    public static bool NeedsOutput => false;

    public Vector512<float> Forward(Vector512<float> x) =>
        Vector512.ConditionalSelect(
            Vector512.GreaterThan(x, Vector512<float>.Zero), x, Vector512.Create(alpha) * VectorMath.ExpMinusOneLanes.Apply(x));

    public Vector512<float> Backward(Vector512<float> dy, Vector512<float> x, Vector512<float> y) =>
        Vector512.ConditionalSelect(
            Vector512.GreaterThan(x, Vector512<float>.Zero), dy, dy * Vector512.Create(alpha) * VectorMath.ExpLanes.Apply(x));
}

/// <summary>y = tanh x, so dx = dy · (1 − y²).</summary>
internal readonly struct Tanh : IActivation
{
    public static bool NeedsInput => false;

    public static bool NeedsOutput => true;

    public Vector512<float> Forward(Vector512<float> x) => VectorMath.TanhLanes.Apply(x);

    public Vector512<float> Backward(Vector512<float> dy, Vector512<float> x, Vector512<float> y) =>
        dy * Vector512.FusedMultiplyAdd(-y, y, Vector512<float>.One);
}

/// <summary>y = σ(x) = 1 / (1 + e^−x), so dx = dy · y (1 − y).</summary>
internal readonly struct Sigmoid : IActivation
{
    public static bool NeedsInput => false;

    public static bool NeedsOutput => true;

    public Vector512<float> Forward(Vector512<float> x) => VectorMath.SigmoidLanes.Apply(x);

    public Vector512<float> Backward(Vector512<float> dy, Vector512<float> x, Vector512<float> y) => dy * y * (Vector512<float>.One - y);
}

/// <summary>y = log(1 + e^x), so dx = dy · σ(x). Source: Dugas et al., 2001.</summary>
internal readonly struct Softplus : IActivation
{
    public static bool NeedsInput => true;

    public static bool NeedsOutput => false;

    public Vector512<float> Forward(Vector512<float> x) => VectorMath.SoftplusLanes.Apply(x);

    public Vector512<float> Backward(Vector512<float> dy, Vector512<float> x, Vector512<float> y) => dy * VectorMath.SigmoidLanes.Apply(x);
}

/// <summary>
/// y = x Φ(x), so dx = dy · (Φ(x) + x φ(x)), with the normal distribution Φ and its density φ(x) = e^(−x²/2) / √(2π).
/// The exact form. Source: Hendrycks, Gimpel, 2016.
/// </summary>
internal readonly struct Gelu : IActivation
{
    public static bool NeedsInput => true;

    public static bool NeedsOutput => false;

    // Φ(x) is 0 below −15: the bound keeps −∞ · 0 from becoming NaN.
    public Vector512<float> Forward(Vector512<float> x) =>
        Vector512.Max(x, Vector512.Create(-15f)) * VectorMath.NormalLanes.Apply(x);

    public Vector512<float> Backward(Vector512<float> dy, Vector512<float> x, Vector512<float> y)
    {
        var (tail, exponential) = VectorMath.NormalLanes.Tail(x);
        var bounded = Vector512.Min(Vector512.Max(x, Vector512.Create(-15f)), Vector512.Create(15f));
        var density = exponential * Vector512.Create(0.39894228f);
        return dy * Vector512.FusedMultiplyAdd(bounded, density, VectorMath.NormalLanes.Distribution(x, tail));
    }
}

/// <summary>y = x σ(x), so dx = dy · σ(x) (1 + x σ(−x)). Source: Elfwing, Uchibe, Doya, 2018.</summary>
internal readonly struct Silu : IActivation
{
    public static bool NeedsInput => true;

    public static bool NeedsOutput => false;

    // σ(x) is 0 below −150: the bound keeps −∞ · 0 from becoming NaN.
    public Vector512<float> Forward(Vector512<float> x) =>
        Vector512.Max(x, Vector512.Create(-150f)) * VectorMath.SigmoidLanes.Apply(x);

    public Vector512<float> Backward(Vector512<float> dy, Vector512<float> x, Vector512<float> y)
    {
        // Both σ(x) and σ(−x) from e^−|x|, so that neither is a difference.
        var e = VectorMath.ExpLanes.Apply(-Vector512.Abs(x));
        var larger = Vector512<float>.One / (Vector512<float>.One + e);
        var smaller = e * larger;
        var negative = Vector512.LessThan(x, Vector512<float>.Zero);
        var sigma = Vector512.ConditionalSelect(negative, smaller, larger);
        var opposite = Vector512.ConditionalSelect(negative, larger, smaller);
        var bounded = Vector512.Min(Vector512.Max(x, Vector512.Create(-150f)), Vector512.Create(150f));
        return dy * (sigma * Vector512.FusedMultiplyAdd(bounded, opposite, Vector512<float>.One));
    }
}
