using System.Runtime.InteropServices;
using System.Security.Cryptography;
using DistributedTrainer.Engine.Compression;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Activations;
using DistributedTrainer.Engine.Tests.Layers;
using DistributedTrainer.Engine.Tests.Losses;
using DistributedTrainer.Engine.Tests.Optimizers;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Widths;

/// <summary>Hashes over the outputs of all kernels at many sizes, and over a small training run. A new kernel gets a line here.</summary>
internal static class OutputHash
{
    private static readonly int[] Sizes = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 255, 256, 257];

    public static IEnumerable<string> Lines()
    {
        yield return Line("matrix-product", Products);
        yield return Line("vector-math", Functions);
        yield return Line("element-wise", ElementWiseKernels);
        yield return Line("column-sum", ColumnSums);
        yield return Line("activations", Activations);
        yield return Line("unit-extremes", Extremes);
        yield return Line("losses", Losses);
        yield return Line("batch-norm", BatchNorm);
        yield return Line("image-norm", ImageNorm);
        yield return Line("layer-norm", LayerNorm);
        yield return Line("pooling", Pooling);
        yield return Line("convolution", Convolutions);
        yield return Line("image-layers", ImageLayers);
        yield return Line("optimizers", Optimizers);
        yield return Line("gradient-norm", GradientNorms);
        yield return Line("magnitude", Magnitudes);
        yield return Line("byte-table", ByteTables);
        yield return Line("codecs", Codecs);
        yield return Line("training", Training);
    }

    private static string Line(string name, Action<Hash> work)
    {
        using var hash = new Hash();
        work(hash);
        return $"{name} {hash}";
    }

    private static void Products(Hash hash)
    {
        foreach (var (m, n, k) in new[] { (1, 1, 1), (3, 5, 7), (12, 32, 16), (13, 33, 17), (6, 16, 5), (5, 15, 31), (4, 8, 64), (25, 70, 3), (250, 9, 3), (7, 19, 515) })
        {
            var (a, b) = (Numbers.Normal(m * k, 1), Numbers.Normal(n * k, 2));
            var c = Numbers.Normal(m * n, 3);
            MatrixProduct.Multiply(a, b, c, m, n, k, accumulate: true);
            hash.Add(c);
            MatrixProduct.MultiplyByTransposed(a, b, c, m, n, k);
            hash.Add(c);
            MatrixProduct.TransposedMultiply(a, b, c, m, n, k);
            hash.Add(c);
        }
    }

    private static void Codecs(Hash hash)
    {
        foreach (var codec in (GradientCodec[])[new Float16Codec(), new BFloat16Codec(), new Int8Codec(), new TopKCodec(0.1)])
        {
            foreach (var size in (int[])[.. Sizes, 5000])
            {
                foreach (var deviation in (double[])[1, 1e-7, 1e6])
                {
                    var x = Numbers.Normal(size, size, deviation: deviation);
                    codec.RoundLeaf(x);
                    var bytes = new byte[codec.MostBytes(size)];
                    var written = codec.Write(x, bytes);
                    hash.Add(x);
                    hash.Add(Array.ConvertAll(bytes, static value => (float)value));
                    codec.TryRead(bytes.AsSpan(0, written), x);
                    hash.Add(x);
                }
            }
        }
    }

    private static void Functions(Hash hash)
    {
        var wide = Enumerable.Range(0, 3000).Select(static i => BitConverter.UInt32BitsToSingle((uint)(i * 1431655L))).Where(static x => !float.IsNaN(x));
        foreach (var x in Sizes.Select(static size => Numbers.Normal(size, size, deviation: 20)).Append([.. wide]))
        {
            var y = new float[x.Length];
            VectorMath.Exp(y, x);
            hash.Add(y);
            VectorMath.Tanh(y, x);
            hash.Add(y);
            VectorMath.Sigmoid(y, x);
            hash.Add(y);
            VectorMath.Log(y, Array.ConvertAll(x, Math.Abs));
            hash.Add(y);
            VectorMath.Softplus(y, x);
            hash.Add(y);
            VectorMath.ExpMinusOne(y, x);
            hash.Add(y);
            VectorMath.NormalDistribution(y, x);
            hash.Add(y);
        }
    }

    private static void ElementWiseKernels(Hash hash)
    {
        foreach (var size in Sizes)
        {
            var (x, y, z) = (Numbers.Normal(size, 1), Numbers.Normal(size, 2), new float[size]);
            ElementWise.Add(z, x, y);
            hash.Add(z);
            ElementWise.Multiply(z, x, y);
            hash.Add(z);
            ElementWise.Max(z, x, y);
            hash.Add(z);
            ElementWise.MaxBackward(z, x, y, x, winsTies: false);
            hash.Add(z);
            ElementWise.Scale(z, x, 0.3f);
            hash.Add(z);
        }
    }

    private static void ColumnSums(Hash hash)
    {
        foreach (var columns in Sizes)
        {
            var (x, sum) = (Numbers.Normal(7 * columns, columns), new float[columns]);
            ColumnReduction.Sum(x, sum);
            hash.Add(sum);
            ElementWise.AddRowVector(x, sum);
            hash.Add(x);
        }
    }

    // Forward and backward, softmax and log-softmax among them.
    private static void Activations(Hash hash)
    {
        foreach (var size in Sizes)
        {
            foreach (var definition in ActivationRun.All)
            {
                var (y, dx) = ActivationRun.Run(definition, new Shape(size), Numbers.Normal(5 * size, size, deviation: 6), Numbers.Normal(5 * size, 1));
                hash.Add(y);
                hash.Add(dx);
            }
        }
    }

    private static void Extremes(Hash hash)
    {
        foreach (var size in Sizes)
        {
            foreach (var (units, places) in ((int, int)[])[(size, 1), (3, size)])
            {
                var (x, values, slopes) = (Numbers.Normal(5 * units * places, size, deviation: 6), new float[units], new float[units]);
                var y = new float[x.Length];
                ActivationKernel.Forward(default(Gelu), y, x);
                hash.Add([UnitExtremes.Add(default(Gelu), x, y, places, values, slopes, 0.01f)]);
                hash.Add(values);
                hash.Add(slopes);
            }
        }
    }

    private static void Losses(Hash hash)
    {
        foreach (var size in Sizes.Where(static size => size > 1))
        {
            foreach (var loss in LossRun.All)
            {
                // Two-class losses have one score a row: there the size is that of the batch.
                var rows = loss.OutputsFor(2) == 1 ? size : 5;
                var (z, labels, targets, _) = LossRun.Batch(loss, rows, size, 6, size);
                var (losses, dz) = LossRun.Run(loss, z, labels, targets, rows);
                hash.Add(losses);
                hash.Add(dz);
            }
        }
    }

    private static void ImageNorm(Hash hash)
    {
        const int Channels = 3;
        foreach (var positions in Sizes)
        {
            var (x, dy) = (Numbers.Normal(4 * Channels * positions, 1, mean: 50), Numbers.Normal(4 * Channels * positions, 2));
            var (y, dx, gamma, inverse) = (new float[x.Length], new float[x.Length], Numbers.Normal(Channels, 3), Numbers.Normal(Channels, 4, 1, 0.1));
            var (mean, m2, sumDy, sumDyXhat) = (new double[Channels], new double[Channels], new double[Channels], new double[Channels]);
            ImageNormKernel.Moments(x, positions, mean, m2);
            hash.Add(mean);
            hash.Add(m2);
            ImageNormKernel.Normalize(y, x, positions, mean, inverse, gamma, gamma);
            hash.Add(y);
            ImageNormKernel.BackwardSums(dy, x, positions, mean, inverse, sumDy, sumDyXhat);
            hash.Add(sumDy);
            hash.Add(sumDyXhat);
            ImageNormKernel.BackwardInput(dx, dy, x, positions, mean, inverse, gamma, sumDy, sumDyXhat, 4 * positions);
            hash.Add(dx);
        }
    }

    private static void LayerNorm(Hash hash)
    {
        foreach (var columns in Sizes)
        {
            var (x, dy, gamma) = (Numbers.Normal(5 * columns, 1, mean: 3), Numbers.Normal(5 * columns, 2), Numbers.Normal(columns, 3));
            var (xhat, y, dx, inverse) = (new float[x.Length], new float[x.Length], new float[x.Length], new float[5]);
            LayerNormKernel.Forward(xhat, inverse, y, x, gamma, gamma, 1e-5f);
            hash.Add(xhat);
            hash.Add(inverse);
            hash.Add(y);
            LayerNormKernel.BackwardInput(dx, dy, xhat, inverse, gamma);
            hash.Add(dx);
        }
    }

    private static void Pooling(Hash hash)
    {
        foreach (var (height, width, kernel, stride) in new[] { (2, 2, 2, 2), (5, 7, 2, 2), (9, 33, 3, 1), (12, 35, 3, 2), (8, 40, 2, 3), (28, 28, 2, 2), (7, 7, 7, 1) })
        {
            var shape = new PoolingShape(height, width, kernel, stride);
            var x = Numbers.Normal(6 * height * width, 1);
            var windows = 6 * shape.OutputHeight * shape.OutputWidth;
            var (y, dy, dx, places) = (new float[windows], Numbers.Normal(windows, 2), new float[x.Length], new int[windows]);
            PoolingKernel.Max(shape, x, y, places);
            hash.Add(y);
            PoolingKernel.MaxBackward(shape, dy, places, dx);
            hash.Add(dx);
            PoolingKernel.Average(shape, x, y);
            hash.Add(y);
            PoolingKernel.AverageBackward(shape, dy, dx);
            hash.Add(dx);
        }
    }

    private static void Convolutions(Hash hash)
    {
        foreach (var shape in new ConvolutionShape[]
        {
            new(1, 3, 3, 1, 1, 1, 0), new(1, 5, 5, 1, 3, 1, 0), new(2, 9, 8, 5, 3, 1, 1), new(3, 12, 11, 13, 3, 2, 1), new(4, 6, 33, 18, 5, 1, 2),
            new(17, 7, 7, 33, 1, 2, 0), new(1, 28, 28, 32, 3, 1, 1), new(8, 4, 4, 6, 4, 1, 0),
        })
        {
            const int Rows = 3;
            var kernel = new Convolution(shape);
            var (x, dy) = (Numbers.Normal(Rows * shape.InputElements, 1), Numbers.Normal(Rows * shape.OutputElements, 2));
            var (w, b) = (Numbers.Normal(shape.Outputs * shape.Depth, 3), Numbers.Normal(shape.Outputs, 4));
            var (y, dx, dw, db) = (new float[dy.Length], new float[x.Length], new float[w.Length], new float[b.Length]);
            kernel.Forward(x, w, b, y, Rows);
            hash.Add(y);
            kernel.BackwardInput(dy, w, dx, Rows);
            hash.Add(dx);
            kernel.BackwardWeights(x, dy, dw, db, Rows);
            hash.Add(dw);
            hash.Add(db);
        }
    }

    // Batch norm, relu and pooling as one operation, and convolutions before it.
    private static void ImageLayers(Hash hash)
    {
        foreach (var (height, width, kernel) in new[] { (2, 2, 2), (14, 14, 2), (6, 18, 2), (7, 9, 2), (5, 33, 3) })
        {
            var run = new LayerRun(
                new Shape(2, height, width), 5, new Conv2dDefinition(3, 3, Padding: 1), new BatchNormDefinition(), new ActivationDefinition(Activation.Relu), new MaxPool2dDefinition(kernel));
            hash.Add(run.Forward(Numbers.Normal(5 * run.InputColumns, 1), training: true, (0, 2), (1, 3)));
            hash.Add(run.Backward(Numbers.Normal(5 * run.OutputColumns, 2)));
            hash.Add(run.Gradients[1].Span);
            hash.Add(run.Forward(Numbers.Normal(5 * run.InputColumns, 1), training: false));
        }
    }

    private static void GradientNorms(Hash hash)
    {
        foreach (var size in Sizes.Append((2 * GradientNorm.BlockLength) + 19))
        {
            var sums = new double[GradientNorm.Blocks(size)];
            GradientNorm.BlockSums(Numbers.Normal(size, size), sums);
            hash.Add(sums);
        }
    }

    private static void Magnitudes(Hash hash)
    {
        foreach (var size in Sizes)
        {
            hash.Add([Magnitude.Largest(Numbers.Normal(size, size)), Magnitude.Largest(Numbers.WithSpecial(size, size))]);
        }
    }

    private static void ByteTables(Hash hash)
    {
        var table = Numbers.WithSpecial(ByteTable.Values, 1);
        foreach (var size in Sizes)
        {
            var (bytes, y) = (new byte[size], new float[size]);
            new System.Random(size).NextBytes(bytes);
            ByteTable.LookUp(y, bytes, table, bytes);
            hash.Add(y);
        }
    }

    private static void BatchNorm(Hash hash)
    {
        foreach (var columns in Sizes)
        {
            var (x, dy) = (Numbers.Normal(9 * columns, 1, mean: 50), Numbers.Normal(9 * columns, 2));
            var (xhat, y, dx) = (new float[x.Length], new float[x.Length], new float[x.Length]);
            var (first, second) = (new double[columns], new double[columns]);
            var (gamma, inverse) = (Numbers.Normal(columns, 3), Numbers.Normal(columns, 4, 1, 0.1));
            BatchNormKernel.Moments(x, first, second);
            hash.Add(first);
            hash.Add(second);
            BatchNormKernel.Normalize(xhat, y, x, first, inverse, gamma, gamma);
            hash.Add(xhat);
            hash.Add(y);
            BatchNormKernel.BackwardSums(dy, xhat, first, second);
            hash.Add(first);
            hash.Add(second);
            BatchNormKernel.BackwardInput(dx, dy, xhat, gamma, inverse, first, second, 9);
            hash.Add(dx);
        }
    }

    private static void Optimizers(Hash hash)
    {
        foreach (var size in Sizes)
        {
            foreach (var optimizer in OptimizerRun.All)
            {
                foreach (var vector in (float[][])[.. OptimizerRun.Steps(optimizer, size, 3), .. OptimizerRun.StepsWithZeros(optimizer, size, 8)])
                {
                    hash.Add(vector);
                }
            }
        }
    }

    private static void Training(Hash hash)
    {
        LayerDefinition[] layers =
        [
            new Conv2dDefinition(4, 3, Padding: 1), new BatchNormDefinition(), new ActivationDefinition(Activation.Elu), new MaxPool2dDefinition(2),
            new FlattenDefinition(), new LayerNormDefinition(), new LinearDefinition(37), new BatchNormDefinition(), new ActivationDefinition(Activation.Relu), new DropoutDefinition(0.3f),
            new LinearDefinition(21, Bias: false), new BatchNormDefinition(Sync: false), new ActivationDefinition(Activation.Tanh),
            new LinearDefinition(18), new ActivationDefinition(Activation.Sigmoid), new LinearDefinition(5),
        ];
        var model = new Model(new ModelDefinition(new Shape(1, 6, 5), layers, new InitialWeights(InitialWeightsKind.He)));
        var training = new LocalTraining(model, new CrossEntropyLoss(), new Adam(), 24) { WeightDecay = 0.001f, L1 = 0.0001f, ClipNorm = 0.5 };
        for (var step = 0; step < 5; step++)
        {
            var loss = training.Step(Numbers.Normal(24 * 30, step), Numbers.Below(24, 5, step), [], [9, 2, 13], 0.01f);
            hash.Add([loss]);
        }

        hash.Add(training.Parameters);
        hash.Add(training.Buffers);
    }

    private sealed class Hash : IDisposable
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public void Add(ReadOnlySpan<float> values) => _hash.AppendData(MemoryMarshal.AsBytes(values));

        public void Add(ReadOnlySpan<double> values) => _hash.AppendData(MemoryMarshal.AsBytes(values));

        public override string ToString() => Convert.ToHexStringLower(_hash.GetCurrentHash());

        public void Dispose() => _hash.Dispose();
    }
}
