using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Layers;

/// <summary>Norms at every length of a plane, bit by bit against the same sums in 16 lanes written as plain loops.</summary>
public sealed class ImageNormTests
{
    private const int Channels = 3;
    private const int Rows = 2;

    public static TheoryData<int> Positions => [.. Enumerable.Range(1, 70), 196, 784];

    [Theory]
    [MemberData(nameof(Positions))]
    public void Moments_are_those_of_the_planes_combined_row_by_row(int positions)
    {
        var x = Values(positions, 1);
        var (mean, m2) = (new double[Channels], new double[Channels]);
        ImageNormKernel.Moments(x, positions, mean, m2);
        for (var c = 0; c < Channels; c++)
        {
            var (expectedMean, expectedM2) = (0.0, 0.0);
            for (var row = 0; row < Rows; row++)
            {
                var plane = Plane(x, row, c, positions);
                var planeMean = Lanes(plane, static value => value) / positions;
                var planeM2 = Lanes(plane, value => (value - planeMean) * (value - planeMean));
                var delta = planeMean - expectedMean;
                expectedMean += delta * ((double)positions / ((row + 1) * positions));
                expectedM2 += planeM2 + (delta * delta * ((double)row * positions * positions / ((row + 1) * positions)));
            }

            Assert.Equal(expectedMean, mean[c]);
            Assert.Equal(expectedM2, m2[c]);
        }
    }

    [Theory]
    [MemberData(nameof(Positions))]
    public void Normalisation_and_its_gradient_round_element_by_element(int positions)
    {
        var (x, dy) = (Values(positions, 1), LayerRun.Numbers(Rows * Channels * positions, 2));
        double[] mean = [100.123456789, -0.25, 0];
        float[] inverse = [0.7f, 1.3f, 2];
        float[] gamma = [1.5f, -0.5f, 1];
        float[] beta = [0.1f, 0.2f, 0.3f];
        var (y, dx) = (new float[x.Length], new float[x.Length]);
        var (sumDy, sumDyXhat) = (new double[Channels], new double[Channels]);
        ImageNormKernel.Normalize(y, x, positions, mean, inverse, gamma, beta);
        ImageNormKernel.BackwardSums(dy, x, positions, mean, inverse, sumDy, sumDyXhat);
        ImageNormKernel.BackwardInput(dx, dy, x, positions, mean, inverse, gamma, sumDy, sumDyXhat, Rows * positions);

        var xhat = new float[x.Length];
        for (var i = 0; i < x.Length; i++)
        {
            var c = i / positions % Channels;
            var high = (float)mean[c];
            xhat[i] = (x[i] - high - (float)(mean[c] - high)) * inverse[c];
            Assert.Equal(MathF.FusedMultiplyAdd(xhat[i], gamma[c], beta[c]), y[i]);
            var centred = dy[i] - (float)(sumDy[c] / (Rows * positions));
            var product = (float)(-sumDyXhat[c] / (Rows * positions));
            Assert.Equal(MathF.FusedMultiplyAdd(xhat[i], product, centred) * (gamma[c] * inverse[c]), dx[i]);
        }

        for (var c = 0; c < Channels; c++)
        {
            var (expectedDy, expectedProduct) = (0.0, 0.0);
            for (var row = 0; row < Rows; row++)
            {
                var gradient = Plane(dy, row, c, positions);
                var normal = Plane(xhat, row, c, positions);
                expectedDy += Lanes(gradient, static value => value);
                expectedProduct += Lanes([.. gradient.Zip(normal, static (g, n) => (double)g * n)], static value => value);
            }

            Assert.Equal(expectedDy, sumDy[c]);
            Assert.Equal(expectedProduct, sumDyXhat[c]);
        }
    }

    [Fact]
    public void A_mean_far_from_zero_keeps_its_digits()
    {
        // Every second number is 10000, the others 10001: the variance is 1/4 exactly.
        var x = new float[1000];
        for (var i = 0; i < x.Length; i++)
        {
            x[i] = 10000 + (i % 2);
        }

        var (mean, m2) = (new double[1], new double[1]);
        ImageNormKernel.Moments(x, 100, mean, m2);
        Assert.Equal(10000.5, mean[0]);
        Assert.Equal(250, m2[0], 1e-9);
    }

    [Theory]
    [MemberData(nameof(Positions))]
    public void Layer_norm_agrees_with_float64_at_every_length(int columns)
    {
        var x = LayerRun.Numbers(2 * columns, 1);
        var (gamma, beta) = (LayerRun.Numbers(columns, 2), LayerRun.Numbers(columns, 3));
        var (xhat, y, inverse) = (new float[x.Length], new float[x.Length], new float[2]);
        LayerNormKernel.Forward(xhat, inverse, y, x, gamma, beta, 1e-5f);
        for (var row = 0; row < 2; row++)
        {
            var values = x.AsSpan(row * columns, columns).ToArray();
            var mean = values.Average(static value => (double)value);
            var scale = 1 / Math.Sqrt(values.Average(value => (value - mean) * (value - mean)) + 1e-5f);
            double[] expected = [.. values.Select((value, i) => (((value - mean) * scale) * gamma[i]) + beta[i])];
            AssertBits.Near(expected, y.AsSpan(row * columns, columns), 1e-5, 1e-6, $"row {row} of {columns} columns");
        }
    }

    private static float[] Values(int positions, int seed)
    {
        var values = LayerRun.Numbers(Rows * Channels * positions, seed);
        for (var i = 0; i < values.Length; i++)
        {
            values[i] += i / positions % Channels == 0 ? 100 : 0;
        }

        return values;
    }

    private static double[] Plane(float[] values, int row, int channel, int positions) =>
        Array.ConvertAll(values.AsSpan(((row * Channels) + channel) * positions, positions).ToArray(), static value => (double)value);

    // Element i in lane i mod 16; lanes are added halves onto halves.
    private static double Lanes(double[] values, Func<double, double> term)
    {
        var lanes = new double[16];
        for (var i = 0; i < values.Length; i++)
        {
            lanes[i % 16] += term(values[i]);
        }

        for (var half = 8; half > 0; half /= 2)
        {
            for (var i = 0; i < half; i++)
            {
                lanes[i] += lanes[i + half];
            }
        }

        return lanes[0];
    }
}
