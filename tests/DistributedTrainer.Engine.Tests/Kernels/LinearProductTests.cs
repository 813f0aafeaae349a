using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Kernels.Reference;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Kernels;

/// <summary>Products with an epilogue against the plain product and the element-wise kernels after it, bit for bit.</summary>
public sealed class LinearProductTests
{
    private static readonly Tiling[] Tilings = [Tiling.Wide, Tiling.Medium, Tiling.Narrow];

    private static readonly int[] Sizes = [1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 24, 25, 31, 32, 33, 47, 48, 49, 64, 65];

    public static TheoryData<int> Tiles => [0, 1, 2];

    [Theory]
    [MemberData(nameof(Tiles))]
    public void Every_pair_of_tile_edges_gives_the_bits_of_separate_passes(int tile)
    {
        for (var i = 0; i < Sizes.Length; i++)
        {
            for (var j = 0; j < Sizes.Length; j++)
            {
                Check(Tilings[tile], Sizes[i], Sizes[j], Sizes[((i * 7) + (j * 3)) % Sizes.Length], special: false);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Tiles))]
    public void Blocks_of_rows_and_of_depth_get_the_epilogue_once(int tile)
    {
        // Blocks end at 264 rows (at more where the sums are short) and 512 terms of a sum; where the weights are read in place,
        // at 128 rows, 48 columns and 1024 terms.
        foreach (var (rows, outputs, inputs) in new[] { (2, 33, 511), (13, 17, 512), (5, 40, 513), (7, 9, 1025), (263, 5, 9), (264, 33, 7), (265, 10, 513), (529, 18, 3), (265, 4097, 2), (127, 48, 1023), (128, 49, 1024), (129, 95, 1025), (257, 97, 600), (33, 53, 2049), (530, 3, 256) })
        {
            Check(Tilings[tile], rows, outputs, inputs, special: false);
            Check(Tilings[tile], rows, inputs, outputs, special: false);
        }
    }

    [Theory]
    [MemberData(nameof(Tiles))]
    public void Without_inputs_there_is_the_bias_alone(int tile) => Check(Tilings[tile], rows: 13, outputs: 35, inputs: 0, special: false);

    [Theory]
    [MemberData(nameof(Tiles))]
    public void Nan_infinity_and_denormal_numbers_pass_as_in_separate_passes(int tile)
    {
        foreach (var (rows, outputs, inputs) in new[] { (1, 1, 1), (3, 5, 7), (12, 32, 4), (13, 33, 17), (25, 70, 2), (6, 10, 513) })
        {
            Check(Tilings[tile], rows, outputs, inputs, special: true);
        }
    }

    [Fact]
    public void A_bias_or_values_of_another_length_are_refused()
    {
        Assert.Contains("lengths 3 and 4 differ", Assert.Throws<ArgumentException>(static () => Product().Forward(new float[4])).Message, StringComparison.Ordinal);
        Assert.Contains("lengths 3 and 2 differ", Assert.Throws<ArgumentException>(static () => Product().Forward(default(Relu), new float[2])).Message, StringComparison.Ordinal);
        Assert.Contains("lengths 10 and 9 differ", Assert.Throws<ArgumentException>(static () => Product().BackwardInput(default(Relu), new float[9])).Message, StringComparison.Ordinal);

        static LinearProduct Product() => new(new float[10], new float[15], new float[6], rows: 2, inputs: 5, outputs: 3);
    }

    private static void Check(Tiling tiling, int rows, int outputs, int inputs, bool special)
    {
        float[] Values(int length, int seed) => special ? Numbers.WithSpecial(length, seed) : Numbers.Normal(length, seed);
        var (x, w, b) = (Values(rows * inputs, 1), Values(outputs * inputs, 2), Values(outputs, 3));
        var (z, y, biased) = (new float[rows * outputs], new float[rows * outputs], new float[rows * outputs]);
        ReferenceMatrixProduct.MultiplyByTransposed(x, w, z, rows, outputs, inputs);
        z.CopyTo(biased.AsSpan());
        ReferenceElementWise.AddRowVector(biased, b);

        var what = $"{rows}x{outputs}x{inputs} with tiles of {tiling.Rows}x{tiling.Columns}";
        new LinearProduct(x, w, y, rows, inputs, outputs, tiling).Forward([]);
        AssertBits.Equal(z, y, $"product {what}");
        new LinearProduct(x, w, y, rows, inputs, outputs, tiling).Forward(b);
        AssertBits.Equal(biased, y, $"with bias {what}");
        CheckActivation<Relu>(tiling, x, w, b, z, biased, rows, outputs, inputs, what);
        CheckActivation<Tanh>(tiling, x, w, b, z, biased, rows, outputs, inputs, what);
        CheckActivation<Sigmoid>(tiling, x, w, b, z, biased, rows, outputs, inputs, what);
    }

    private static void CheckActivation<TActivation>(
        Tiling tiling, float[] x, float[] w, float[] b, float[] z, float[] biased, int rows, int outputs, int inputs, string what)
        where TActivation : struct, IActivation
    {
        var (function, y, expected) = (default(TActivation), new float[z.Length], new float[z.Length]);
        ActivationKernel.Forward(function, expected, biased);
        new LinearProduct(x, w, y, rows, inputs, outputs, tiling).Forward(function, b);
        AssertBits.Equal(expected, y, $"{typeof(TActivation).Name} with bias {what}");
        ActivationKernel.Forward(function, expected, z);
        new LinearProduct(x, w, y, rows, inputs, outputs, tiling).Forward(function, []);
        AssertBits.Equal(expected, y, $"{typeof(TActivation).Name} {what}");

        // The way back through the activation that made x; dy is what was y.
        var (dx, expectedDx, values) = (new float[x.Length], new float[x.Length], new float[x.Length]);
        ActivationKernel.Forward(function, values, x);
        ReferenceMatrixProduct.Multiply(biased, w, expectedDx, rows, inputs, outputs);
        new LinearProduct(dx, w, biased, rows, inputs, outputs, tiling).BackwardInput();
        AssertBits.Equal(expectedDx, dx, $"input gradient {what}");
        ActivationKernel.Backward(function, expectedDx, expectedDx, [], values);
        new LinearProduct(dx, w, biased, rows, inputs, outputs, tiling).BackwardInput(function, values);
        AssertBits.Equal(expectedDx, dx, $"input gradient through {typeof(TActivation).Name} {what}");
    }
}
