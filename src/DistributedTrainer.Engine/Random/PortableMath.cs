namespace DistributedTrainer.Engine.Random;

/// <summary>
/// Float64 functions made of +, −, ·, / alone, so that they have the same bits on every operating system; those of
/// the platform's C library differ in the last place.
/// </summary>
public static class PortableMath
{
    // ln 2 in two parts: the first has its last 32 bits zero, so that a small integer times it is exact.
    private const double Ln2High = 6.93147180369123816490e-01;
    private const double Ln2Low = 1.90821492927058770002e-10;

    /// <summary>Natural logarithm of a positive normal number, within 1 ulp. Source: fdlibm, e_log.c (Sun, 1993).</summary>
    public static double Log(double x)
    {
        var bits = BitConverter.DoubleToInt64Bits(x);
        var exponent = (int)(bits >> 52) - 1023;
        var fraction = bits & 0xFFFFFFFFFFFFFL;

        // x = 2^k · (1 + f) with 1 + f within [√2/2, √2): the upper half of the mantissas belongs to the next exponent.
        var carry = ((fraction >> 32) + 0x95f64) & 0x100000;
        var k = exponent + (int)(carry >> 20);
        var f = BitConverter.Int64BitsToDouble(fraction | ((carry << 32) ^ 0x3FF0000000000000L)) - 1.0;

        // log(1 + f) = f − f²/2 + s·(f²/2 + R(s²)), s = f / (2 + f)
        var s = f / (2.0 + f);
        var z = s * s;
        var w = z * z;
        var even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
        var odd = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
        var halfSquare = 0.5 * f * f;
        return k * Ln2High - (halfSquare - (s * (halfSquare + even + odd) + k * Ln2Low) - f);
    }

    /// <summary>x to a whole power of at least 0, by repeated squaring.</summary>
    public static double Power(double x, long power)
    {
        var result = 1.0;
        for (; power > 0; power >>= 1)
        {
            if ((power & 1) != 0)
            {
                result *= x;
            }

            x *= x;
        }

        return result;
    }

    /// <summary>Sine of an angle in radians, within 1 ulp. Source: fdlibm, k_sin.c, k_cos.c, e_rem_pio2.c (Sun, 1993).</summary>
    /// <param name="x">From -1,000,000 to 1,000,000.</param>
    /// <exception cref="ArgumentOutOfRangeException">Beyond that range, or NaN.</exception>
    public static double Sin(double x)
    {
        var quadrant = Reduce(x, out var high, out var low);
        var value = (quadrant & 1) == 0 ? SinNearZero(high, low) : CosNearZero(high, low);
        return (quadrant & 2) == 0 ? value : -value;
    }

    /// <summary>Cosine of an angle in radians, within 1 ulp. Source: as for <see cref="Sin"/>.</summary>
    /// <param name="x">From -1,000,000 to 1,000,000.</param>
    /// <exception cref="ArgumentOutOfRangeException">Beyond that range, or NaN.</exception>
    public static double Cos(double x)
    {
        var quadrant = Reduce(x, out var high, out var low);
        var value = (quadrant & 1) == 0 ? CosNearZero(high, low) : SinNearZero(high, low);
        return ((quadrant + 1) & 2) == 0 ? value : -value;
    }

    /// <summary>x = quadrant · π/2 + high + low, with high + low within ±π/4 and low below high's last place.</summary>
    private static long Reduce(double x, out double high, out double low)
    {
        if (!(Math.Abs(x) <= 1_000_000))
        {
            throw new ArgumentOutOfRangeException(nameof(x), $"sin, cos: {x} is not within ±1,000,000. Take whole turns off first.");
        }

        // π/2 in parts of 33 bits: n has 20, so n times a part is exact.
        var n = Math.Floor((x * 6.36619772367581382433e-01) + 0.5);
        var first = x - (n * 1.57079632673412561417e+00);
        var second = n * 6.07710050630396597660e-11;
        var rest = first - second;
        var correction = (n * 2.02226624879595063154e-21) - ((first - rest) - second);
        high = rest - correction;
        low = (rest - high) - correction;
        return (long)n;
    }

    private static double SinNearZero(double x, double low)
    {
        var z = x * x;
        var v = z * x;
        var r = 8.33333333332248946124e-03 + z * (-1.98412698298579493134e-04 + z * (2.75573137070700676789e-06
            + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)));
        return x - ((z * (0.5 * low - v * r) - low) - v * -1.66666666666666324348e-01);
    }

    private static double CosNearZero(double x, double low)
    {
        var z = x * x;
        var r = z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 + z * (2.48015872894767294178e-05
            + z * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
        var half = 0.5 * z;
        var w = 1.0 - half;
        return w + (((1.0 - w) - half) + (z * r - x * low));
    }

    /// <summary>x to any power, x a positive normal number: e^(y ln x), relative error below (2 + |y ln x|) · 2⁻⁵².</summary>
    public static double Power(double x, double y) => Exp(y * Log(x));

    /// <summary>e^x, within 1 ulp where the result is a normal number. Source: fdlibm, e_exp.c (Sun, 1993).</summary>
    public static double Exp(double x)
    {
        if (!(x is > -746 and < 710))
        {
            return double.IsNaN(x) ? x : x < 0 ? 0 : double.PositiveInfinity;
        }

        // x = k ln 2 + r; e^r = 1 + r + r c / (2 − c)
        var k = Math.Floor((x * 1.44269504088896338700e+00) + 0.5);
        var high = x - (k * Ln2High);
        var low = k * Ln2Low;
        var r = high - low;
        var z = r * r;
        var c = r - (z * (1.66666666666666019037e-01 + (z * (-2.77777777770155933842e-03 + (z * (6.61375632143793436117e-05
            + (z * (-1.65339022054652515390e-06 + (z * 4.13813679705723846039e-08)))))))));
        var y = 1 - (low - (r * c / (2 - c)) - high);

        // Two factors, since 2^k alone may leave the range while the result does not.
        var half = (int)k / 2;
        return y * PowerOfTwo(half) * PowerOfTwo((int)k - half);
    }

    /// <summary>cos πx for x in [0, 1], absolute error below 2⁻⁵²; exact at 0, ½ and 1. Source: fdlibm, k_cos.c and k_sin.c (Sun, 1993).</summary>
    public static double CosPi(double x) => x switch
    {
        <= 0.25 => CosNearZero(Math.PI * x, 0),
        < 0.75 => SinNearZero(Math.PI * (0.5 - x), 0),
        _ => -CosNearZero(Math.PI * (1 - x), 0),
    };

    private static double PowerOfTwo(int exponent) => BitConverter.Int64BitsToDouble((long)(exponent + 1023) << 52);
}
