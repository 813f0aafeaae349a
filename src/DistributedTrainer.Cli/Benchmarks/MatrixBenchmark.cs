using System.Diagnostics;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Random;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>The speed of one product of one size.</summary>
/// <param name="Product">xw, dyx or dyw.</param>
/// <param name="Gflops">10⁹ operations a second of all threads together.</param>
/// <param name="PeakShare">Share of the measured multiply-add peak of the cores that the threads have.</param>
internal sealed record ProductRate(string Product, double Gflops, double PeakShare);

/// <summary>The speed of one size.</summary>
/// <param name="Size">MxKxN.</param>
/// <param name="Gflops">Of the products together, one after the other.</param>
/// <param name="PeakShare">As a share of the peak.</param>
/// <param name="Threads">Each with its own operands.</param>
/// <param name="PeakGflops">The measured peak of one core.</param>
/// <param name="Products">Each of them.</param>
internal sealed record MatrixRate(string Size, double Gflops, double PeakShare, int Threads, double PeakGflops, IReadOnlyList<ProductRate> Products);

/// <summary>Measures matrix products: the best of several windows, each of enough repetitions to be timed well.</summary>
/// <param name="threads">Threads that compute at the same time, each its own product.</param>
/// <param name="windows">Windows of each product.</param>
internal sealed class MatrixBenchmark(int threads, int windows)
{
    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(25);

    /// <summary>Measures the products of each size.</summary>
    public IReadOnlyList<MatrixRate> Measure(IReadOnlyList<MatrixShape> shapes, IReadOnlyList<LayerProduct> products)
    {
        // Measured again and again: a busy moment must not lower the peak that all is compared with.
        var peak = PeakRate.Measure();
        var measured = new List<(MatrixShape Shape, double[] Gflops)>();
        foreach (var shape in shapes)
        {
            measured.Add((shape, [.. products.Select(product => Gflops(shape, product))]));
            peak = Math.Max(peak, PeakRate.Measure());
        }

        return [.. measured.Select(one => RateOf(one.Shape, products, one.Gflops, threads, peak))];
    }

    /// <summary>The results of a size.</summary>
    internal static MatrixRate RateOf(MatrixShape shape, IReadOnlyList<LayerProduct> products, double[] gflops, int threads, double peak)
    {
        var together = gflops.Length / gflops.Sum(static rate => 1 / rate);
        return new MatrixRate(
            shape.ToString(), Rounded.To(together, 2), Share(together), threads, Rounded.To(peak, 2),
            [.. products.Zip(gflops, (product, rate) => new ProductRate(product.Name, Rounded.To(rate, 2), Share(rate)))]);

        double Share(double rate) => Rounded.To(rate / (peak * Math.Min(threads, Environment.ProcessorCount)), 4);
    }

    private double Gflops(MatrixShape shape, LayerProduct product)
    {
        var repetitions = Calibrate(shape, product);
        var times = new (long Start, long End)[windows, threads];
        using var together = new Barrier(threads);
        var workers = Enumerable.Range(0, threads).Select(thread => new Thread(() =>
        {
            var (a, b, c) = Operands(shape, product, thread);
            product.Compute(shape, a, b, c);
            for (var window = 0; window < windows; window++)
            {
                together.SignalAndWait();
                var start = Stopwatch.GetTimestamp();
                for (var i = 0L; i < repetitions; i++)
                {
                    product.Compute(shape, a, b, c);
                }

                times[window, thread] = (start, Stopwatch.GetTimestamp());
            }
        })
        { IsBackground = true, Name = $"product {thread}" }).ToArray();
        Array.ForEach(workers, static worker => worker.Start());
        Array.ForEach(workers, static worker => worker.Join());

        var best = Enumerable.Range(0, windows).Min(window =>
        {
            var all = Enumerable.Range(0, threads).Select(thread => times[window, thread]).ToArray();
            return Stopwatch.GetElapsedTime(all.Min(static time => time.Start), all.Max(static time => time.End));
        });
        return shape.Operations * repetitions * threads / best.TotalSeconds / 1e9;
    }

    /// <summary>How often the product fits into a window.</summary>
    private static long Calibrate(MatrixShape shape, LayerProduct product)
    {
        var (a, b, c) = Operands(shape, product, thread: 0);
        for (var repetitions = 1L; ; repetitions *= 2)
        {
            var start = Stopwatch.GetTimestamp();
            for (var i = 0L; i < repetitions; i++)
            {
                product.Compute(shape, a, b, c);
            }

            if (Stopwatch.GetElapsedTime(start) >= Window)
            {
                return repetitions;
            }
        }
    }

    private static (float[] A, float[] B, float[] C) Operands(MatrixShape shape, LayerProduct product, int thread)
    {
        var (a, b, c) = product.Lengths(shape);
        return (Numbers(a, 2 * thread), Numbers(b, (2 * thread) + 1), new float[c]);
    }

    private static float[] Numbers(int length, int stream)
    {
        var bits = new uint[length];
        new RandomStream(1, RandomPurpose.Sample, shard: stream).Fill(bits);
        return Array.ConvertAll(bits, static value => ((value >> 8) * (2f / 16777216f)) - 1);
    }
}
