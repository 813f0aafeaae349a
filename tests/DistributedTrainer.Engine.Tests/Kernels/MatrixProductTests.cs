using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Kernels.Reference;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Kernels;

/// <summary>The fast products against three plain loops, bit for bit.</summary>
public sealed class MatrixProductTests
{
    private static readonly int[] Sizes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65];

    [Fact]
    public void Every_pair_of_tile_edges_gives_the_reference_bits()
    {
        for (var i = 0; i < Sizes.Length; i++)
        {
            for (var j = 0; j < Sizes.Length; j++)
            {
                // The depth walks through all sizes too, another one for each pair.
                Check(Sizes[i], Sizes[j], Sizes[((i * 7) + (j * 3)) % Sizes.Length], special: false);
            }
        }
    }

    [Fact]
    public void Every_depth_gives_the_reference_bits()
    {
        for (var k = 0; k <= 256; k++)
        {
            Check(5, 9, k, special: false);
        }
    }

    [Theory]
    [InlineData(3, 5, 511)]
    [InlineData(13, 33, 512)]
    [InlineData(7, 17, 513)]
    [InlineData(25, 40, 1024)]
    [InlineData(2, 3, 1025)]
    [InlineData(239, 33, 9)]
    [InlineData(240, 31, 5)]
    [InlineData(241, 65, 7)]
    [InlineData(252, 1, 513)]
    [InlineData(481, 3, 6)]
    [InlineData(530, 33, 256)]
    [InlineData(129, 49, 1025)]
    [InlineData(128, 144, 1024)]
    [InlineData(1, 4095, 3)]
    [InlineData(13, 4097, 2)]
    [InlineData(2, 8193, 5)]
    public void Borders_of_blocks_give_the_reference_bits(int m, int n, int k) => Check(m, n, k, special: false);

    [Fact]
    public void Nan_infinity_and_denormal_numbers_pass_through_as_in_the_reference()
    {
        foreach (var (m, n, k) in new[] { (1, 1, 1), (3, 5, 7), (12, 32, 4), (13, 33, 17), (25, 70, 9) })
        {
            Check(m, n, k, special: true);
        }
    }

    [Fact]
    public void A_nan_stays_in_its_row()
    {
        // The padding of panels multiplies nothing into the neighbours.
        var (a, b) = (Numbers.Normal(5 * 3, 1), Numbers.Normal(3 * 7, 2));
        a[2 * 3] = float.NaN;
        var c = new float[5 * 7];
        MatrixProduct.Multiply(a, b, c, 5, 7, 3);
        for (var i = 0; i < 5; i++)
        {
            for (var j = 0; j < 7; j++)
            {
                Assert.Equal(i == 2, float.IsNaN(c[(i * 7) + j]));
            }
        }
    }

    [Theory]
    [InlineData("a")]
    [InlineData("b")]
    [InlineData("c")]
    public void A_span_that_is_too_short_is_refused_by_name(string which)
    {
        var a = new float[(2 * 4) - (which == "a" ? 1 : 0)];
        var b = new float[(4 * 3) - (which == "b" ? 1 : 0)];
        var c = new float[(2 * 3) - (which == "c" ? 1 : 0)];
        foreach (var product in new Action[]
        {
            () => MatrixProduct.Multiply(a, b, c, 2, 3, 4),
            () => MatrixProduct.MultiplyByTransposed(a, b, c, 2, 3, 4),
            () => MatrixProduct.TransposedMultiply(a, b, c, 2, 3, 4),
        })
        {
            Assert.Contains($"matrix product: {which} has", Assert.Throws<ArgumentException>(product).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_negative_size_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(static () => MatrixProduct.Multiply(new float[4], new float[4], new float[4], -2, -2, 2));

    [Fact]
    public void A_size_beyond_32_bits_is_refused_and_not_wrapped_around()
    {
        // 65536 · 65536 is 0 in 32 bits: the check must not count in them.
        var problem = Assert.Throws<ArgumentException>(static () => MatrixProduct.Multiply(new float[16], new float[16], new float[16], 65536, 65536, 65536));
        Assert.Contains("4294967296", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Room_for_panels_does_not_grow_with_the_columns()
    {
        // 4.3 million columns by a depth of 512 would overflow one panel buffer of all columns.
        const int n = 4_300_000;
        var a = Numbers.Normal(1, 3);
        var b = new float[n];
        (b[0], b[n / 2], b[n - 1]) = (2, 3, 4);
        var c = new float[n];
        var before = GC.GetAllocatedBytesForCurrentThread();
        MatrixProduct.Multiply(a, b, c, 1, n, 1);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16 << 20);
        AssertBits.Equal([2 * a[0], 3 * a[0], 4 * a[0]], [c[0], c[n / 2], c[n - 1]], "wide product");
    }

    private static void Check(int m, int n, int k, bool special)
    {
        var a = special ? Numbers.WithSpecial(m * k, 1) : Numbers.Normal(m * k, 1);
        var b = special ? Numbers.WithSpecial(n * k, 2) : Numbers.Normal(n * k, 2);
        foreach (var accumulate in (bool[])[false, true])
        {
            var start = Numbers.Normal((m * n) + 3, 4);
            Compare(MatrixProduct.Multiply, ReferenceMatrixProduct.Multiply, "a·b");
            Compare(MatrixProduct.MultiplyByTransposed, ReferenceMatrixProduct.MultiplyByTransposed, "a·bᵀ");
            Compare(MatrixProduct.TransposedMultiply, ReferenceMatrixProduct.TransposedMultiply, "aᵀ·b");

            void Compare(Product fast, Product reference, string name)
            {
                float[] expected = [.. start];
                float[] actual = [.. start];
                reference(a, b, expected, m, n, k, accumulate);
                fast(a, b, actual, m, n, k, accumulate);
                AssertBits.Equal(expected, actual, $"{name} with m {m}, n {n}, k {k}, accumulate {accumulate}");
            }
        }
    }

    private delegate void Product(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int m, int n, int k, bool accumulate);
}
