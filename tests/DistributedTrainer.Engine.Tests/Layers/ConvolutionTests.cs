using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Kernels.Reference;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Layers;

public sealed class ConvolutionTests
{
    // C, H, W, O, kernel, stride, padding, rows
    public static TheoryData<ConvolutionShape, int> Shapes => new()
    {
        { new(1, 28, 28, 32, 3, 1, 1), 3 },
        { new(32, 14, 14, 64, 3, 1, 1), 2 },
        { new(3, 9, 11, 5, 3, 1, 0), 2 },
        { new(3, 9, 11, 5, 3, 1, 1), 2 },
        { new(2, 7, 5, 13, 3, 2, 1), 3 },
        { new(2, 8, 10, 13, 3, 2, 1), 3 },
        { new(4, 9, 9, 7, 5, 2, 2), 2 },
        { new(4, 9, 9, 7, 5, 3, 0), 2 },
        { new(2, 11, 13, 3, 4, 3, 1), 2 },
        { new(5, 6, 6, 9, 1, 1, 0), 4 },
        { new(5, 6, 6, 9, 1, 2, 0), 4 },
        { new(5, 7, 7, 9, 1, 3, 1), 4 },
        { new(3, 5, 5, 4, 5, 1, 2), 3 },
        { new(3, 5, 5, 4, 5, 1, 0), 40 },
        { new(1, 4, 4, 1, 3, 1, 3), 2 },
        { new(1, 4, 4, 2, 2, 1, 5), 2 },
        { new(2, 3, 40, 3, 2, 5, 4), 2 },
        { new(1, 1, 1, 1, 1, 1, 0), 70 },
        { new(2, 2, 2, 33, 2, 2, 0), 17 },
        { new(60, 5, 5, 12, 3, 1, 1), 2 },
        { new(64, 4, 4, 8, 3, 2, 1), 3 },
        { new(1, 17, 33, 6, 7, 1, 3), 2 },
    };

    private static readonly Tiling[] Tilings = [Tiling.Wide, Tiling.Medium, Tiling.Narrow];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Forward_has_the_bits_of_the_reference_with_every_tile(ConvolutionShape shape, int rows)
    {
        var (x, w, b, _) = Values(shape, rows);
        var expected = new float[rows * shape.OutputElements];
        foreach (var bias in (float[][])[b, []])
        {
            ReferenceConvolution.Forward(shape, x, w, bias, expected);
            foreach (var tiling in Tilings)
            {
                var actual = Filled(expected.Length);
                new Convolution(shape, tiling).Forward(x, w, bias, actual, rows);
                Assert.Equal(Bits(expected), Bits(actual));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Input_gradient_has_the_bits_of_the_reference_with_every_tile(ConvolutionShape shape, int rows)
    {
        var (_, w, _, dy) = Values(shape, rows);
        var expected = new float[rows * shape.InputElements];
        ReferenceConvolution.BackwardInput(shape, dy, w, expected);
        foreach (var tiling in Tilings)
        {
            var actual = Filled(expected.Length);
            new Convolution(shape, tiling).BackwardInput(dy, w, actual, rows);
            Assert.Equal(Bits(expected), Bits(actual));
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Weight_gradient_has_the_bits_of_the_reference_with_every_tile(ConvolutionShape shape, int rows)
    {
        var (x, w, b, dy) = Values(shape, rows);
        var (dw, db) = (new float[w.Length], new float[b.Length]);
        ReferenceConvolution.BackwardWeights(shape, x, dy, dw, db);
        foreach (var tiling in Tilings)
        {
            var (actualDw, actualDb) = (Filled(dw.Length), Filled(db.Length));
            var convolution = new Convolution(shape, tiling);
            convolution.BackwardWeights(x, dy, actualDw, actualDb, rows);
            Assert.Equal(Bits(dw), Bits(actualDw));
            Assert.Equal(Bits(db), Bits(actualDb));

            var withoutBias = Filled(dw.Length);
            convolution.BackwardWeights(x, dy, withoutBias, [], rows);
            Assert.Equal(Bits(dw), Bits(withoutBias));
        }
    }

    [Fact]
    public void Each_image_has_the_same_bits_alone_as_among_others()
    {
        var shape = new ConvolutionShape(3, 7, 7, 10, 3, 2, 1);
        const int rows = 100;
        var (x, w, b, dy) = Values(shape, rows);
        var convolution = new Convolution(shape);
        var (y, dx) = (new float[rows * shape.OutputElements], new float[rows * shape.InputElements]);
        convolution.Forward(x, w, b, y, rows);
        convolution.BackwardInput(dy, w, dx, rows);
        foreach (var row in (int[])[0, 1, 57, 99])
        {
            var (alone, dxAlone) = (new float[shape.OutputElements], new float[shape.InputElements]);
            convolution.Forward(x.AsSpan(row * dxAlone.Length, dxAlone.Length), w, b, alone, 1);
            convolution.BackwardInput(dy.AsSpan(row * alone.Length, alone.Length), w, dxAlone, 1);
            Assert.Equal(Bits(y.AsSpan(row * alone.Length, alone.Length)), Bits(alone));
            Assert.Equal(Bits(dx.AsSpan(row * dxAlone.Length, dxAlone.Length)), Bits(dxAlone));
        }
    }

    [Fact]
    public void Matrix_products_have_the_same_bits_with_every_tile()
    {
        foreach (var (m, n, k) in (ReadOnlySpan<(int, int, int)>)[(1, 1, 1), (4, 32, 7), (8, 64, 33), (11, 31, 600), (13, 33, 1025), (25, 70, 5), (241, 9, 12)])
        {
            var (a, b) = (LayerRun.Numbers(m * k, 1), LayerRun.Numbers(k * n, 2));
            var expected = new float[m * n];
            for (var i = 0; i < m * n; i++)
            {
                for (var p = 0; p < k; p++)
                {
                    expected[i] = MathF.FusedMultiplyAdd(a[(i / n * k) + p], b[(p * n) + (i % n)], expected[i]);
                }
            }

            foreach (var tiling in Tilings)
            {
                var actual = Filled(m * n);
                MatrixProduct.Run(tiling, a, k, 1, b, n, 1, actual, m, n, k, accumulate: false);
                Assert.Equal(Bits(expected), Bits(actual));
            }
        }
    }

    [Fact]
    public void A_warm_call_allocates_nothing()
    {
        var shape = new ConvolutionShape(2, 7, 5, 13, 3, 2, 1);
        var (x, w, b, dy) = Values(shape, 9);
        var (y, dx, dw, db) = (new float[dy.Length], new float[x.Length], new float[w.Length], new float[b.Length]);
        var convolution = new Convolution(shape);
        Assert.Equal(0, Allocation.Warm(() =>
        {
            convolution.Forward(x, w, b, y, 9);
            convolution.BackwardInput(dy, w, dx, 9);
            convolution.BackwardWeights(x, dy, dw, db, 9);
        }));
    }

    [Fact]
    public void Short_spans_and_windows_that_do_not_fit_are_refused()
    {
        var shape = new ConvolutionShape(1, 4, 4, 2, 3, 1, 0);
        var convolution = new Convolution(shape);
        Assert.Contains("y has 7 elements", Assert.Throws<ArgumentException>(() => convolution.Forward(new float[16], new float[18], [], new float[7], 1)).Message);
        Assert.Contains("dw has 17", Assert.Throws<ArgumentException>(() => convolution.BackwardWeights(new float[16], new float[8], new float[17], [], 1)).Message);
        Assert.Contains("has no window", Assert.Throws<ArgumentException>(() => new Convolution(shape with { Kernel = 5 })).Message);
    }

    private static (float[] X, float[] W, float[] B, float[] Dy) Values(ConvolutionShape shape, int rows) => (
        LayerRun.Numbers(rows * shape.InputElements, 1),
        LayerRun.Numbers(shape.Outputs * shape.Depth, 2),
        LayerRun.Numbers(shape.Outputs, 3),
        LayerRun.Numbers(rows * shape.OutputElements, 4));

    private static float[] Filled(int length)
    {
        var values = new float[length];
        Array.Fill(values, float.NaN);
        return values;
    }

    private static int[] Bits(ReadOnlySpan<float> values)
    {
        var bits = new int[values.Length];
        for (var i = 0; i < bits.Length; i++)
        {
            bits[i] = BitConverter.SingleToInt32Bits(values[i]);
        }

        return bits;
    }
}
