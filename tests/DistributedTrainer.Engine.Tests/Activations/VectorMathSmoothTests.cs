using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Tests.Activations;

public class VectorMathSmoothTests
{
    private delegate void Function(Span<float> destination, ReadOnlySpan<float> source);

    [Fact]
    public void Softplus_is_within_3_ulp() => Check(VectorMath.Softplus, Softplus, -87, 100, 3);

    [Fact]
    public void Softplus_near_zero_is_within_3_ulp() => Check(VectorMath.Softplus, Softplus, -2, 2, 3);

    [Fact]
    public void ExpMinusOne_is_within_2_ulp() => Check(VectorMath.ExpMinusOne, ExpMinusOne, -40, 0, 2);

    [Fact]
    public void ExpMinusOne_near_zero_is_within_2_ulp()
    {
        Check(VectorMath.ExpMinusOne, ExpMinusOne, -1, 0, 2);
        Check(VectorMath.ExpMinusOne, ExpMinusOne, -1e-3f, 0, 2);
    }

    [Fact]
    public void NormalDistribution_is_within_3_ulp_around_zero_and_above() => Check(VectorMath.NormalDistribution, Normal, -1, 8, 3);

    [Fact]
    public void NormalDistribution_is_within_6_ulp_in_the_lower_tail() => Check(VectorMath.NormalDistribution, Normal, -12.9f, -1, 6);

    [Fact]
    public void ExpMinusOne_counts_positive_numbers_as_zero()
    {
        float[] results = [1, 1, 1, 1];
        VectorMath.ExpMinusOne(results, [0, 3, 1e30f, float.PositiveInfinity]);
        Assert.Equal([0, 0, 0, 0], results);
    }

    private static double Softplus(double x)
    {
        var u = Math.Exp(-Math.Abs(x));
        var w = 1 + u;
        return Math.Max(x, 0) + (w == 1 ? u : Math.Log(w) * u / (w - 1));
    }

    private static double ExpMinusOne(double x)
    {
        var e = Math.Exp(x);
        return e == 1 ? x : e - 1 == -1 ? -1 : (e - 1) * x / Math.Log(e);
    }

    // A series whose terms have one sign near 0, a continued fraction in the tail.
    private static double Normal(double x)
    {
        var (a, density) = (Math.Abs(x), Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI));
        double tail;
        if (a < 2)
        {
            var (term, sum) = (a, a);
            for (var n = 3; n < 80; n += 2)
            {
                term *= a * a / n;
                sum += term;
            }

            tail = 0.5 - (density * sum);
        }
        else
        {
            var fraction = a;
            for (var n = 150; n > 0; n--)
            {
                fraction = a + (n / fraction);
            }

            tail = density / fraction;
        }

        return x < 0 ? tail : 1 - tail;
    }

    private static void Check(Function function, Func<double, double> reference, float low, float high, double ulps)
    {
        const int Points = 50_001;
        var x = new float[Points];
        for (var i = 0; i < Points; i++)
        {
            x[i] = (float)(low + ((double)high - low) * i / (Points - 1));
        }

        var y = new float[Points];
        function(y, x);
        var (worst, at) = (0.0, 0f);
        for (var i = 0; i < Points; i++)
        {
            var expected = reference(x[i]);
            var unit = MathF.BitIncrement(MathF.Abs((float)expected)) - MathF.Abs((float)expected);
            var error = Math.Abs(y[i] - expected) / unit;
            if (!(error <= worst))
            {
                (worst, at) = (error, x[i]);
            }
        }

        Assert.True(worst <= ulps, $"{worst:F2} ulp at {at:R}");
    }
}
