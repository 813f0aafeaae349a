using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Tests.Layers;

public sealed class PoolingTests
{
    public static TheoryData<PoolingShape> Shapes => new()
    {
        new(28, 28, 2, 2),
        new(14, 14, 2, 2),
        new(7, 9, 2, 2),
        new(17, 19, 3, 2),
        new(18, 18, 3, 2),
        new(9, 16, 3, 1),
        new(5, 30, 2, 1),
        new(8, 33, 4, 2),
        new(9, 40, 3, 3),
        new(9, 40, 2, 5),
        new(4, 4, 4, 4),
        new(3, 3, 1, 1),
        new(1, 20, 1, 2),
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Max_finds_the_first_largest_element_of_each_window(PoolingShape shape)
    {
        const int planes = 5;
        var x = Coarse(planes * shape.Height * shape.Width);
        var windows = planes * shape.OutputHeight * shape.OutputWidth;
        var (y, places) = (new float[windows], new int[windows]);
        PoolingKernel.Max(shape, x, y, places);

        var (dy, expected, dx) = (LayerRun.Numbers(windows, 2), new float[x.Length], new float[x.Length]);
        foreach (var (i, window) in Windows(shape, planes).Index())
        {
            var winner = window[0];
            foreach (var place in window)
            {
                winner = x[place] > x[winner] || float.IsNaN(x[place]) ? place : winner;
            }

            Assert.Equal(x[winner], y[i]);
            Assert.Equal(winner % (shape.Height * shape.Width), places[i]);
            expected[winner] += dy[i];
        }

        Array.Fill(dx, float.NaN);
        PoolingKernel.MaxBackward(shape, dy, places, dx);
        Assert.Equal(expected, dx);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Average_is_the_sum_of_each_window_divided_by_its_area(PoolingShape shape)
    {
        const int planes = 5;
        var x = LayerRun.Numbers(planes * shape.Height * shape.Width, 3);
        var windows = planes * shape.OutputHeight * shape.OutputWidth;
        var y = new float[windows];
        PoolingKernel.Average(shape, x, y);

        float area = shape.Kernel * shape.Kernel;
        var (dy, expected, dx) = (LayerRun.Numbers(windows, 4), new float[x.Length], new float[x.Length]);
        foreach (var (i, window) in Windows(shape, planes).Index())
        {
            var sum = x[window[0]];
            foreach (var place in window.Skip(1))
            {
                sum += x[place];
            }

            Assert.Equal(sum / area, y[i]);
            foreach (var place in window)
            {
                expected[place] += dy[i] / area;
            }
        }

        Array.Fill(dx, float.NaN);
        PoolingKernel.AverageBackward(shape, dy, dx);
        Assert.Equal(expected, dx);
    }

    [Theory]
    [InlineData(2, 2)]
    [InlineData(2, 1)]
    [InlineData(3, 3)]
    public void A_nan_and_the_last_of_several_wins_its_window(int kernel, int stride)
    {
        var shape = new PoolingShape(kernel, 40, kernel, stride);
        var x = new float[kernel * 40];
        Array.Fill(x, float.NegativeInfinity);
        (x[1], x[40]) = (float.NaN, float.NaN);
        var (y, places) = (new float[shape.OutputWidth], new int[shape.OutputWidth]);
        PoolingKernel.Max(shape, x, y, places);
        Assert.Equal(float.NaN, y[0]);
        Assert.Equal(40, places[0]);
        Assert.Equal(float.NegativeInfinity, y[^1]);
        Assert.Equal((shape.OutputWidth - 1) * stride, places[^1]);
    }

    [Fact]
    public void Planes_that_do_not_fit_are_refused()
    {
        var message = Assert.Throws<ArgumentException>(() => PoolingKernel.Average(new PoolingShape(4, 4, 2, 2), new float[32], new float[4])).Message;
        Assert.Contains("32 elements of planes and 4 of windows", message);
    }

    private static float[] Coarse(int count) => Array.ConvertAll(LayerRun.Numbers(count, 1), static value => MathF.Round(4 * value));

    private static IEnumerable<int[]> Windows(PoolingShape shape, int planes)
    {
        for (var i = 0; i < planes * shape.OutputHeight * shape.OutputWidth; i++)
        {
            var (plane, row, column) = (i / shape.OutputWidth / shape.OutputHeight, i / shape.OutputWidth % shape.OutputHeight, i % shape.OutputWidth);
            yield return
            [
                .. from ky in Enumerable.Range(0, shape.Kernel)
                from kx in Enumerable.Range(0, shape.Kernel)
                select (((plane * shape.Height) + (row * shape.Stride) + ky) * shape.Width) + (column * shape.Stride) + kx,
            ];
        }
    }
}
