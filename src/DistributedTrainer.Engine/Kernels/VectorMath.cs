using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

/// <summary>
/// exp, log, tanh and the logistic function with polynomials of our own: every operation is an explicit multiply, add
/// or fused multiply-add, so the bits are the same on every vector width and position (the library's are not).
/// Coefficients: S. L. Moshier, Cephes Mathematical Library, 1992 (expf, logf, tanhf).
/// </summary>
public static partial class VectorMath
{
    /// <summary>destination = e^source. Over- and underflow give ∞ and 0; NaN passes through.</summary>
    public static void Exp(Span<float> destination, ReadOnlySpan<float> source) => VectorMap.Unary<ExpLanes>(destination, source);

    /// <summary>destination = natural logarithm; 0 gives −∞, negative numbers NaN.</summary>
    public static void Log(Span<float> destination, ReadOnlySpan<float> source) => VectorMap.Unary<LogLanes>(destination, source);

    /// <summary>destination = tanh(source) in [−1, 1].</summary>
    public static void Tanh(Span<float> destination, ReadOnlySpan<float> source) => VectorMap.Unary<TanhLanes>(destination, source);

    /// <summary>destination = 1 / (1 + e^−source) in [0, 1].</summary>
    public static void Sigmoid(Span<float> destination, ReadOnlySpan<float> source) => VectorMap.Unary<SigmoidLanes>(destination, source);

    /// <summary>destination = log(1 + e^source), in [0, ∞).</summary>
    public static void Softplus(Span<float> destination, ReadOnlySpan<float> source) => VectorMap.Unary<SoftplusLanes>(destination, source);

    /// <summary>destination = e^source − 1 for source ≤ 0, without the cancellation near 0; positive numbers count as 0.</summary>
    public static void ExpMinusOne(Span<float> destination, ReadOnlySpan<float> source) => VectorMap.Unary<ExpMinusOneLanes>(destination, source);

    /// <summary>destination = Φ(source) = (1 + erf(source / √2)) / 2, the standard normal distribution function.</summary>
    public static void NormalDistribution(Span<float> destination, ReadOnlySpan<float> source) => VectorMap.Unary<NormalLanes>(destination, source);

    /// <summary>The natural logarithm of one number, with the bits that spans get.</summary>
    public static float Log(float x) => LogLanes.Apply(Vector512.Create(x)).ToScalar();

    internal readonly struct ExpLanes : IUnary
    {
        public static Vector512<float> Apply(Vector512<float> x)
        {
            var (n, q) = Reduce(Vector512.Min(Vector512.Max(x, Vector512.Create(-104f)), Vector512.Create(89f)));
            var p = q + Vector512<float>.One;

            // Two factors, since 2^n alone overflows at the upper end while the result does not.
            var half = Vector512.Floor(n * Vector512.Create(0.5f));
            return p * PowerOfTwo(half) * PowerOfTwo(n - half);
        }

        /// <summary>e^x = 2^n · (1 + q) with n = round(x / ln 2).</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector512<float> N, Vector512<float> Q) Reduce(Vector512<float> x)
        {
            // ln 2 in two parts keeps the rest r exact.
            var n = Vector512.Floor(Vector512.FusedMultiplyAdd(x, Vector512.Create(1.44269504f), Vector512.Create(0.5f)));
            var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-0.693359375f), x);
            r = Vector512.FusedMultiplyAdd(n, Vector512.Create(2.12194440e-4f), r);
            var p = Vector512.Create(1.9875691500e-4f);
            p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.3981999507e-3f));
            p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(8.3334519073e-3f));
            p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(4.1665795894e-2f));
            p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.6666665459e-1f));
            p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(5.0000001201e-1f));
            return (n, Vector512.FusedMultiplyAdd(p, r * r, r));
        }

        public static Vector512<float> PowerOfTwo(Vector512<float> n) =>
            Vector512.ShiftLeft(Vector512.ConvertToInt32(n) + Vector512.Create(127), 23).AsSingle();
    }

    internal readonly struct SigmoidLanes : IUnary
    {
        public static Vector512<float> Apply(Vector512<float> x)
        {
            // e^−|x| / (1 + e^−|x|) on the left: 1 / (1 + e^−x) is 0 below −88.7, where the right value is not.
            var e = ExpLanes.Apply(-Vector512.Abs(x));
            var above = Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512<float>.Zero), e, Vector512<float>.One);
            return above / (Vector512<float>.One + e);
        }
    }

    internal readonly struct TanhLanes : IUnary
    {
        public static Vector512<float> Apply(Vector512<float> x)
        {
            var magnitude = Vector512.Abs(x);
            var sign = x.AsInt32() & Vector512.Create(int.MinValue);
            var large = Vector512<float>.One
                - (Vector512.Create(2f) / (ExpLanes.Apply(magnitude + magnitude) + Vector512<float>.One));
            var z = x * x;
            var p = Vector512.Create(-5.70498872745e-3f);
            p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(2.06390887954e-2f));
            p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(-5.37397155531e-2f));
            p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(1.33314422036e-1f));
            p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(-3.33332819422e-1f));
            var small = Vector512.FusedMultiplyAdd(p * z, x, x);

            // Near zero 1 − 2/(…) cancels; the polynomial does not, and a NaN stays one in it. The sign is set in both: −0 stays −0.
            var either = Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(magnitude, Vector512.Create(0.625f)), large, small);
            return (either.AsInt32() | sign).AsSingle();
        }
    }

    internal readonly struct LogLanes : IUnary
    {
        public static Vector512<float> Apply(Vector512<float> x)
        {
            // Denormal numbers are lifted by 2^23 first. x = 2^e · m with m in [√½, √2).
            var tiny = Vector512.LessThan(x, Vector512.Create(1.17549435e-38f));
            var lifted = Vector512.ConditionalSelect(tiny, x * Vector512.Create(8388608f), x);
            var bits = lifted.AsInt32();
            var e = Vector512.ConvertToSingle(Vector512.ShiftRightArithmetic(bits, 23) - Vector512.Create(126));
            e -= Vector512.ConditionalSelect(tiny, Vector512.Create(23f), Vector512<float>.Zero);
            var m = ((bits & Vector512.Create(0x007FFFFF)) | Vector512.Create(0x3F000000)).AsSingle();
            var below = Vector512.LessThan(m, Vector512.Create(0.707106781f));
            e -= Vector512.ConditionalSelect(below, Vector512<float>.One, Vector512<float>.Zero);
            m = Vector512.ConditionalSelect(below, m + m, m) - Vector512<float>.One;

            var z = m * m;
            var p = Vector512.Create(7.0376836292e-2f);
            p = Vector512.FusedMultiplyAdd(p, m, Vector512.Create(-1.1514610310e-1f));
            p = Vector512.FusedMultiplyAdd(p, m, Vector512.Create(1.1676998740e-1f));
            p = Vector512.FusedMultiplyAdd(p, m, Vector512.Create(-1.2420140846e-1f));
            p = Vector512.FusedMultiplyAdd(p, m, Vector512.Create(1.4249322787e-1f));
            p = Vector512.FusedMultiplyAdd(p, m, Vector512.Create(-1.6668057665e-1f));
            p = Vector512.FusedMultiplyAdd(p, m, Vector512.Create(2.0000714765e-1f));
            p = Vector512.FusedMultiplyAdd(p, m, Vector512.Create(-2.4999993993e-1f));
            p = Vector512.FusedMultiplyAdd(p, m, Vector512.Create(3.3333331174e-1f));
            var y = p * m * z;
            y = Vector512.FusedMultiplyAdd(e, Vector512.Create(-2.12194440e-4f), y);
            y = Vector512.FusedMultiplyAdd(z, Vector512.Create(-0.5f), y);
            var result = Vector512.FusedMultiplyAdd(e, Vector512.Create(0.693359375f), m + y);

            result = Vector512.ConditionalSelect(Vector512.Equals(x, Vector512<float>.Zero), Vector512.Create(float.NegativeInfinity), result);
            result = Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512<float>.Zero), Vector512.Create(float.NaN), result);
            var asIs = Vector512.Equals(x, Vector512.Create(float.PositiveInfinity)) | ~Vector512.Equals(x, x);
            return Vector512.ConditionalSelect(asIs, x, result);
        }
    }
}
