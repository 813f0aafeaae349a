using System.Runtime.InteropServices;
using System.Security.Cryptography;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tensors;
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
        yield return Line("softmax", Softmax);
        yield return Line("batch-norm", BatchNorm);
        yield return Line("optimizers", Optimizers);
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

    private static void Softmax(Hash hash)
    {
        foreach (var classes in Sizes)
        {
            var (z, losses) = (Numbers.Normal(5 * classes, classes, deviation: 4), new float[5]);
            var dz = new float[z.Length];
            SoftmaxKernel.CrossEntropy(z, Numbers.Below(5, classes, 1), dz, losses);
            hash.Add(dz);
            hash.Add(losses);
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
                foreach (var vector in OptimizerRun.Steps(optimizer, size, 3))
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
            new LinearDefinition(37), new BatchNormDefinition(), new ActivationDefinition(Activation.Relu), new DropoutDefinition(0.3f),
            new LinearDefinition(21, Bias: false), new BatchNormDefinition(Sync: false), new ActivationDefinition(Activation.Tanh),
            new LinearDefinition(18), new ActivationDefinition(Activation.Sigmoid), new LinearDefinition(5),
        ];
        var model = new Model(new ModelDefinition(new Shape(19), layers, new InitialWeights(InitialWeightsKind.He)));
        var training = new LocalTraining(model, new CrossEntropyLoss(), new Adam(), 24) { WeightDecay = 0.001f, L1 = 0.0001f, ClipNorm = 0.5 };
        for (var step = 0; step < 5; step++)
        {
            var loss = training.Step(Numbers.Normal(24 * 19, step), Numbers.Below(24, 5, step), [], [9, 2, 13], 0.01f);
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
