using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DistributedTrainer.Engine.Kernels;

// What smooth activations and losses need. The polynomials are minimax fits of our own (Remez exchange in float64,
// weighted for relative error); the errors that are stated are measured against float64 by the tests.
public static partial class VectorMath
{
    /// <summary>log(1 + e^x) = max(x, 0) + log(1 + e^−|x|), within 3 ulp.</summary>
    internal readonly struct SoftplusLanes : IUnary
    {
        public static Vector512<float> Apply(Vector512<float> x)
        {
            var positive = Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512<float>.Zero), Vector512<float>.Zero, x);
            return positive + LogOnePlus(ExpLanes.Apply(-Vector512.Abs(x)));
        }

        /// <summary>log(1 + u) for u in [0, 1]: 2 artanh(s) with s = u / (2 + u), so that small u keep all their digits.</summary>
        private static Vector512<float> LogOnePlus(Vector512<float> u)
        {
            var s = u / (u + Vector512.Create(2f));
            var z = s * s;
            var p = Vector512.Create(0.23233564f);
            p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(0.21704532f));
            p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(0.28592499f));
            p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(0.39999703f));
            p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(0.66666667f));
            return Vector512.FusedMultiplyAdd(p * z, s, s + s);
        }
    }

    /// <summary>e^x − 1 for x ≤ 0, within 2 ulp; positive x count as 0.</summary>
    internal readonly struct ExpMinusOneLanes : IUnary
    {
        public static Vector512<float> Apply(Vector512<float> x)
        {
            // Below −25 the result rounds to −1. 2^n (1 + q) − 1 = 2^n q + (2^n − 1), whose last part is exact near 0.
            var (n, q) = ExpLanes.Reduce(Vector512.Min(Vector512.Max(x, Vector512.Create(-25f)), Vector512<float>.Zero));
            var power = ExpLanes.PowerOfTwo(n);
            return Vector512.FusedMultiplyAdd(power, q, power - Vector512<float>.One);
        }
    }

    /// <summary>Φ(x), within 3 ulp from −1 on, within 6 below, until the result leaves the normal numbers at x = −13.</summary>
    internal readonly struct NormalLanes : IUnary
    {
        public static Vector512<float> Apply(Vector512<float> x) => Distribution(x, Tail(x).Tail);

        /// <summary>Φ(x) of x and the tail Q(|x|).</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Distribution(Vector512<float> x, Vector512<float> tail)
        {
            // Up to 1, ½ + x R(x²) rounds less often than the tail does. A NaN takes the outer branch and stays one.
            var z = x * x;
            var p = Vector512.Create(-7.654208275e-6f);
            p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(1.134863705e-4f));
            p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(-1.186329988e-3f));
            p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(9.973322973e-3f));
            p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(-6.649035960e-2f));
            p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(3.989422917e-1f));
            var inner = Vector512.FusedMultiplyAdd(p, x, Vector512.Create(0.5f));
            var outer = Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512<float>.Zero), tail, Vector512<float>.One - tail);
            return Vector512.ConditionalSelect(Vector512.LessThanOrEqual(z, Vector512<float>.One), inner, outer);
        }

        /// <summary>Q(|x|) = ½ erfc(|x| / √2) and e^(−x²/2).</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector512<float> Tail, Vector512<float> Exponential) Tail(Vector512<float> x)
        {
            // Beyond 15 both are 0 in float32. x² as a rounded product and what the rounding lost: e^(−x²/2) would
            // magnify an error of the exponent a hundredfold in the tail.
            var a = Vector512.Min(Vector512.Abs(x), Vector512.Create(15f));
            var square = a * a;
            var lost = Vector512.FusedMultiplyAdd(a, a, -square);
            var e = ExpLanes.Apply(square * Vector512.Create(-0.5f));
            e = Vector512.FusedMultiplyAdd(e * lost, Vector512.Create(-0.5f), e);

            // Q(a) = e^(−a²/2) · w · P(2w − 1) with w = 1 / (1 + 5a/16): the form of Shepherd, Laframboise,
            // "Chebyshev approximation of (1+2x) exp(x²) erfc x", 1981; relative error of the fit 1.1e-8.
            var w = Vector512<float>.One / Vector512.FusedMultiplyAdd(a, Vector512.Create(0.3125f), Vector512<float>.One);
            var t = Vector512.FusedMultiplyAdd(w, Vector512.Create(2f), Vector512.Create(-1f));
            var p = Vector512.Create(-3.753328565e-5f);
            p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(2.341640175e-5f));
            p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(3.391970822e-4f));
            p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(-2.231454127e-4f));
            p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(-2.583407098e-3f));
            p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(-5.075198715e-4f));
            p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(2.313492075e-2f));
            p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(8.307526261e-2f));
            p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(1.668138355e-1f));
            p = Vector512.FusedMultiplyAdd(p, t, Vector512.Create(2.299649566e-1f));
            return (e * (w * p), e);
        }
    }
}
