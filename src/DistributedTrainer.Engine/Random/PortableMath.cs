namespace DistributedTrainer.Engine.Random;

/// <summary>
/// Float64 functions made of +, −, ·, / alone, so that they have the same bits on every operating system; those of
/// the platform's C library differ in the last place.
/// </summary>
internal static class PortableMath
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
}
