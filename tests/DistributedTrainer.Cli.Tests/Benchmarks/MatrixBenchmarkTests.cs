using System.Text.Json;
using DistributedTrainer.Cli.Benchmarks;
using DistributedTrainer.Cli.Views;

namespace DistributedTrainer.Cli.Tests.Benchmarks;

public sealed class MatrixBenchmarkTests
{
    [Fact]
    public void Sizes_are_read_in_order()
    {
        var problems = new List<string>();
        Assert.Equal([new MatrixShape(128, 784, 512), new MatrixShape(1, 2, 3)], MatrixShape.ParseList("128x784x512, 1x2x3", problems));
        Assert.Empty(problems);
    }

    [Theory]
    [InlineData("128x784")]
    [InlineData("128x784x512x1")]
    [InlineData("0x784x512")]
    [InlineData("-1x784x512")]
    [InlineData("ax784x512")]
    [InlineData("")]
    [InlineData("1x2x3,")]
    [InlineData("99999999999x1x1")]
    [InlineData("100000x1x100000")]
    public void A_wrong_size_is_named(string text)
    {
        var problems = new List<string>();
        MatrixShape.ParseList(text, problems);
        Assert.Contains("--sizes: ", Assert.Single(problems), StringComparison.Ordinal);
    }

    /// <summary>x(2,3), w(4,3), dy(2,4) with small whole numbers: exact in float32.</summary>
    [Fact]
    public void The_products_are_those_of_a_linear_layer()
    {
        var shape = new MatrixShape(2, 3, 4);
        Assert.Equal(48, shape.Operations);
        float[] x = [1, 2, 3, 4, 5, 6], w = [1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1], dy = [1, 2, 3, 4, 5, 6, 7, 8];
        Assert.Equal([1, 2, 3, 6, 4, 5, 6, 15], Compute("xw", x, w));
        Assert.Equal([21, 27, 33, 26, 34, 42, 31, 41, 51, 36, 48, 60], Compute("dyx", dy, x));
        Assert.Equal([5, 6, 7, 13, 14, 15], Compute("dyw", dy, w));

        float[] Compute(string name, float[] a, float[] b)
        {
            var product = LayerProduct.All.Single(one => one.Name == name);
            Assert.Equal((a.Length, b.Length), (product.Lengths(shape).A, product.Lengths(shape).B));
            var c = new float[product.Lengths(shape).C];
            product.Compute(shape, a, b, c);
            return c;
        }
    }

    [Fact]
    public void A_result_holds_each_product_and_the_three_together()
    {
        // 1/100 + 1/50 + 1/25 = 0.07 seconds for three products: 3 / 0.07 together.
        var rate = MatrixBenchmark.RateOf(new MatrixShape(128, 784, 512), LayerProduct.All, [100, 50, 25], threads: 1, peak: 200);
        var json = JsonDocument.Parse(JsonText.Of(new[] { rate })).RootElement[0];
        Assert.Equal("128x784x512", json.GetProperty("size").GetString());
        Assert.Equal(42.86, json.GetProperty("gflops").GetDouble());
        Assert.Equal(0.2143, json.GetProperty("peakShare").GetDouble());
        Assert.Equal(["xw", "dyx", "dyw"], json.GetProperty("products").EnumerateArray().Select(static product => product.GetProperty("product").GetString()));
        Assert.Equal([0.5, 0.25, 0.125], json.GetProperty("products").EnumerateArray().Select(static product => product.GetProperty("peakShare").GetDouble()));
    }

    [Fact]
    public void Threads_compute_at_the_same_time()
    {
        var rate = Assert.Single(new MatrixBenchmark(threads: 2, windows: 1).Measure([new MatrixShape(8, 8, 8)], [LayerProduct.All[0]]));
        Assert.Equal(2, rate.Threads);
        Assert.True(rate.Gflops > 0 && rate.PeakShare > 0);
    }
}
