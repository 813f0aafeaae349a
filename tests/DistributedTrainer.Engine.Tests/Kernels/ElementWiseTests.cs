using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Kernels.Reference;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Kernels;

/// <summary>Element-wise kernels and column sums against one number at a time, bit for bit, at every length.</summary>
public sealed class ElementWiseTests
{
    private delegate void Unary(Span<float> destination, ReadOnlySpan<float> x);

    private delegate void Binary(Span<float> destination, ReadOnlySpan<float> x, ReadOnlySpan<float> y);

    [Fact]
    public void Add_gives_the_reference_bits_at_every_length() => Check(ElementWise.Add, ReferenceElementWise.Add, "add");

    [Fact]
    public void Add_to_gives_the_reference_bits_at_every_length() => Check(AddTo, ReferenceElementWise.Add, "add to");

    [Fact]
    public void Multiply_gives_the_reference_bits_at_every_length() => Check(ElementWise.Multiply, ReferenceElementWise.Multiply, "multiply");

    [Fact]
    public void Scale_gives_the_reference_bits_at_every_length() =>
        Check(static (y, x) => ElementWise.Scale(y, x, -0.3f), static (y, x) => ReferenceElementWise.Scale(y, x, -0.3f), "scale");

    [Fact]
    public void Relu_gives_the_reference_bits_at_every_length() => Check(static (y, x) => ActivationKernel.Forward(default(Relu), y, x), ReferenceElementWise.Relu, "relu");

    [Fact]
    public void Relu_backward_gives_the_reference_bits_at_every_length() =>
        Check(Backward<Relu>, ReferenceElementWise.ReluBackward, "relu backward");

    [Fact]
    public void Tanh_backward_gives_the_reference_bits_at_every_length() =>
        Check(Backward<Tanh>, ReferenceElementWise.TanhBackward, "tanh backward");

    [Fact]
    public void Sigmoid_backward_gives_the_reference_bits_at_every_length() =>
        Check(Backward<Sigmoid>, ReferenceElementWise.SigmoidBackward, "sigmoid backward");

    [Fact]
    public void Row_vectors_are_added_to_every_row_at_every_width()
    {
        foreach (var columns in Numbers.Lengths)
        {
            var row = Numbers.WithSpecial(columns, 7);
            foreach (var rows in (int[])[0, 1, 5])
            {
                var expected = Numbers.WithSpecial(rows * columns, 8);
                float[] actual = [.. expected];
                ReferenceElementWise.AddRowVector(expected, row);
                ElementWise.AddRowVector(actual, row);
                AssertBits.Equal(expected, actual, $"{rows} rows of {columns}");
            }
        }
    }

    [Fact]
    public void Column_sums_give_the_reference_bits_at_every_width()
    {
        foreach (var columns in Numbers.Lengths)
        {
            foreach (var rows in (int[])[0, 1, 2, 17])
            {
                var x = Numbers.WithSpecial(rows * columns, 9);
                var expected = new float[columns];
                float[] actual = [.. Enumerable.Repeat(5f, columns)];
                ReferenceElementWise.SumColumns(x, expected);
                ColumnReduction.Sum(x, actual);
                AssertBits.Equal(expected, actual, $"{rows} rows of {columns}");
            }
        }
    }

    [Fact]
    public void Lengths_that_differ_are_refused()
    {
        var (three, four) = (new float[3], new float[4]);
        foreach (var call in new Action[]
        {
            () => ElementWise.Add(four, three, four),
            () => ElementWise.AddTo(four, three),
            () => ElementWise.Multiply(three, four, four),
            () => ElementWise.Scale(three, four, 2),
            () => ActivationKernel.Forward(default(Relu), three, four),
            () => Backward<Relu>(four, three, four),
            () => Backward<Tanh>(four, four, three),
            () => Backward<Sigmoid>(three, four, four),
            () => VectorMath.Exp(three, four),
        })
        {
            Assert.Throws<ArgumentException>(call);
        }

        // Where the operation is one of ours, the message names it.
        foreach (var (name, call) in new (string, Action)[]
        {
            ("Elu", () => ActivationKernel.Forward(new Elu(1), three, four)),
            ("Tanh", () => Backward<Tanh>(four, four, three)),
            ("Exp", () => VectorMath.Exp(three, four)),
            ("SoftmaxBackward", () => SoftmaxKernel.SoftmaxBackward(three, four, four, 1)),
            ("optimizer", () => new Sgd().Update(new OptimizerStep(0, 1, 1), three, four, [], [], three)),
        })
        {
            Assert.StartsWith($"{name}: lengths ", Assert.Throws<ArgumentException>(call).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Rows_that_do_not_fill_the_matrix_are_refused()
    {
        foreach (var call in new Action[]
        {
            static () => ElementWise.AddRowVector(new float[7], new float[3]),
            static () => ElementWise.AddRowVector(new float[7], []),
            static () => ColumnReduction.Sum(new float[7], new float[3]),
            static () => ColumnReduction.Sum(new float[7], []),
        })
        {
            Assert.Contains("7 elements", Assert.Throws<ArgumentException>(call).Message, StringComparison.Ordinal);
        }
    }

    // The derivatives of these are computed from y alone.
    private static void Backward<TActivation>(Span<float> dx, ReadOnlySpan<float> dy, ReadOnlySpan<float> y)
        where TActivation : struct, IActivation => ActivationKernel.Backward(default(TActivation), dx, dy, [], y);

    private static void AddTo(Span<float> destination, ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        x.CopyTo(destination);
        ElementWise.AddTo(destination, y);
    }

    private static void Check(Unary fast, Unary reference, string name)
    {
        foreach (var length in Numbers.Lengths)
        {
            var x = Numbers.WithSpecial(length, 1);
            var expected = new float[length];
            var actual = new float[length];
            reference(expected, x);
            fast(actual, x);
            AssertBits.Equal(expected, actual, $"{name} of {length}");
        }
    }

    private static void Check(Binary fast, Binary reference, string name)
    {
        foreach (var length in Numbers.Lengths)
        {
            var (x, y) = (Numbers.WithSpecial(length, 1), Numbers.WithSpecial(length, 2));
            var expected = new float[length];
            var actual = new float[length];
            reference(expected, x, y);
            fast(actual, x, y);
            AssertBits.Equal(expected, actual, $"{name} of {length}");
        }
    }
}
