using CsCheck;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Activations;

public class ActivationTests
{
    public static TheoryData<int> ElementWise => ActivationRun.Numbers(ActivationRun.ElementWise);

    public static TheoryData<int> All => ActivationRun.Numbers(ActivationRun.All);

    [Theory]
    [MemberData(nameof(ElementWise))]
    public void Every_length_gives_each_element_the_bits_that_it_has_in_a_long_span(int number)
    {
        var definition = ActivationRun.ElementWise[number];
        var x = ActivationRun.Uniform(131, -8, 8, 5);
        var dy = ActivationRun.Uniform(131, -2, 2, 6);
        var whole = ActivationRun.Run(definition, new Shape(131), x, dy);
        for (var length = 0; length <= 70; length++)
        {
            var start = length % 17;
            var part = ActivationRun.Run(definition, new Shape(length), x[start..(start + length)], dy[start..(start + length)]);
            Assert.Equal(Bits(whole.Y.AsSpan(start, length)), Bits(part.Y));
            Assert.Equal(Bits(whole.Dx.AsSpan(start, length)), Bits(part.Dx));
        }
    }

    [Theory]
    [InlineData(Activation.Softmax)]
    [InlineData(Activation.LogSoftmax)]
    public void A_row_has_the_same_bits_wherever_it_stands(Activation function)
    {
        var definition = new ActivationDefinition(function);
        for (var classes = 1; classes <= 70; classes++)
        {
            var x = ActivationRun.Uniform(3 * classes, -8, 8, classes);
            var dy = ActivationRun.Uniform(3 * classes, -2, 2, classes + 1);
            var whole = ActivationRun.Run(definition, new Shape(classes), x, dy);
            var part = ActivationRun.Run(definition, new Shape(classes), x[(2 * classes)..], dy[(2 * classes)..]);
            Assert.Equal(Bits(whole.Y.AsSpan(2 * classes)), Bits(part.Y));
            Assert.Equal(Bits(whole.Dx.AsSpan(2 * classes)), Bits(part.Dx));
        }
    }

    // The bits are part of the promise: these hold on every vector width and every machine. A change of a polynomial
    // changes them on purpose.
    [Theory]
    [InlineData(Activation.Relu, "f1e5f27220e22a72")]
    [InlineData(Activation.Tanh, "172e69e6c13794e3")]
    [InlineData(Activation.Sigmoid, "55ab0e72d1903825")]
    [InlineData(Activation.LeakyRelu, "a8b4282df33fed6b")]
    [InlineData(Activation.Elu, "322265c76d54e552")]
    [InlineData(Activation.Softplus, "b2065262e09ab472")]
    [InlineData(Activation.Gelu, "3b181bd19d0c0945")]
    [InlineData(Activation.Silu, "6fdc02ad18789c10")]
    [InlineData(Activation.Softmax, "a7640bb08dead7e6")]
    [InlineData(Activation.LogSoftmax, "860137017912c6b2")]
    public void Bits_are_the_same_on_every_vector_width(Activation function, string hash)
    {
        var (y, dx) = ActivationRun.Run(new ActivationDefinition(function), new Shape(37), ActivationRun.Uniform(37 * 40, -12, 12, 7), ActivationRun.Uniform(37 * 40, -2, 2, 8));
        Assert.Equal(hash, BitHash.Of(y, dx));
    }

    public static TheoryData<Activation, float[]> Limits => new()
    {
        // At −∞, −1e30, −300, 300, 1e30, ∞.
        { Activation.Relu, [0, 0, 0, 300, 1e30f, float.PositiveInfinity] },
        { Activation.Tanh, [-1, -1, -1, 1, 1, 1] },
        { Activation.Sigmoid, [0, 0, 0, 1, 1, 1] },
        { Activation.LeakyRelu, [float.NegativeInfinity, 0.01f * -1e30f, 0.01f * -300, 300, 1e30f, float.PositiveInfinity] },
        { Activation.Elu, [-1, -1, -1, 300, 1e30f, float.PositiveInfinity] },
        { Activation.Softplus, [0, 0, 0, 300, 1e30f, float.PositiveInfinity] },
        { Activation.Gelu, [0, 0, 0, 300, 1e30f, float.PositiveInfinity] },
        { Activation.Silu, [0, 0, 0, 300, 1e30f, float.PositiveInfinity] },
    };

    public static TheoryData<Activation, float[]> LimitSlopes => new()
    {
        { Activation.Relu, [0, 0, 0, 1, 1, 1] },
        { Activation.Tanh, [0, 0, 0, 0, 0, 0] },
        { Activation.Sigmoid, [0, 0, 0, 0, 0, 0] },
        { Activation.LeakyRelu, [0.01f, 0.01f, 0.01f, 1, 1, 1] },
        { Activation.Elu, [0, 0, 0, 1, 1, 1] },
        { Activation.Softplus, [0, 0, 0, 1, 1, 1] },
        { Activation.Gelu, [0, 0, 0, 1, 1, 1] },
        { Activation.Silu, [0, 0, 0, 1, 1, 1] },
    };

    private static readonly float[] Extremes = [float.NegativeInfinity, -1e30f, -300, 300, 1e30f, float.PositiveInfinity];

    [Theory]
    [MemberData(nameof(Limits))]
    public void Large_and_infinite_inputs_give_the_limits_of_the_function(Activation function, float[] expected) =>
        Assert.Equal(expected, ActivationRun.Forward(new ActivationDefinition(function), new Shape(6), Extremes));

    [Theory]
    [MemberData(nameof(LimitSlopes))]
    public void Large_and_infinite_inputs_give_the_limits_of_the_derivative(Activation function, float[] expected) =>
        Assert.Equal(expected, ActivationRun.Run(new ActivationDefinition(function), new Shape(6), Extremes, [1, 1, 1, 1, 1, 1]).Dx);

    [Theory]
    [MemberData(nameof(All))]
    public void NaN_is_passed_on(int number)
    {
        var (y, _) = ActivationRun.Run(ActivationRun.All[number], new Shape(1), [float.NaN], [1]);
        Assert.True(float.IsNaN(y[0]));
    }

    [Theory]
    [MemberData(nameof(ElementWise))]
    public void NaN_from_above_is_passed_on(int number) =>
        Assert.True(float.IsNaN(ActivationRun.Run(ActivationRun.ElementWise[number], new Shape(1), [0.5f], [float.NaN]).Dx[0]));

    [Fact]
    public void Softmax_rows_sum_to_one() =>
        Gen.Float[-300, 300].Array[1, 50].SampleSeeded(
            static x =>
            {
                var y = ActivationRun.Forward(new ActivationDefinition(Activation.Softmax), new Shape(x.Length), x);
                Assert.InRange(y.Sum(static v => (double)v), 1 - 2e-6, 1 + 2e-6);
                Assert.All(y, static p => Assert.InRange(p, 0, 1));
            },
            seed: "0000KtmZxNbD", iter: 500);

    [Fact]
    public void Log_softmax_is_the_logarithm_of_softmax() =>
        Gen.Float[-30, 30].Array[1, 40].SampleSeeded(
            static x =>
            {
                var logarithms = ActivationRun.Forward(new ActivationDefinition(Activation.LogSoftmax), new Shape(x.Length), x);
                var probabilities = ActivationRun.Forward(new ActivationDefinition(Activation.Softmax), new Shape(x.Length), x);
                for (var i = 0; i < x.Length; i++)
                {
                    Assert.Equal(Math.Exp(logarithms[i]), probabilities[i], 1e-6);
                }
            },
            seed: "0000KtmZxNbD", iter: 500);

    [Fact]
    public void Softmax_gradients_of_a_row_sum_to_zero() =>
        Gen.Select(Gen.Float[-8, 8], Gen.Float[-4, 4]).Array[1, 40].SampleSeeded(
            static pairs =>
            {
                float[] x = [.. pairs.Select(static p => p.Item1)], dy = [.. pairs.Select(static p => p.Item2)];
                var (_, dx) = ActivationRun.Run(new ActivationDefinition(Activation.Softmax), new Shape(x.Length), x, dy);
                Assert.InRange(dx.Sum(static v => (double)v), -4e-6, 4e-6);
            },
            seed: "0000KtmZxNbD", iter: 500);

    [Fact]
    public void Softmax_of_scores_of_300_is_finite_and_of_a_shifted_row_the_same()
    {
        var definition = new ActivationDefinition(Activation.Softmax);
        Assert.Equal([1, 0, 0], ActivationRun.Forward(definition, new Shape(3), [300, -300, 0]));
        Assert.Equal(
            ActivationRun.Forward(definition, new Shape(3), [1, 2, 3]), ActivationRun.Forward(definition, new Shape(3), [1025, 1026, 1027]));
    }

    [Fact]
    public void Softmax_runs_over_the_last_dimension()
    {
        var x = ActivationRun.Uniform(24, -3, 3, 9);
        var definition = new ActivationDefinition(Activation.Softmax);
        var flat = ActivationRun.Forward(definition, new Shape(4), x);
        Assert.Equal(flat, ActivationRun.Forward(definition, new Shape(2, 3, 4), x));
    }

    [Fact]
    public void Softmax_of_a_row_without_a_finite_maximum_is_NaN()
    {
        var definition = new ActivationDefinition(Activation.Softmax);
        Assert.All(ActivationRun.Forward(definition, new Shape(2), [float.PositiveInfinity, 0]), static v => Assert.True(float.IsNaN(v)));
        Assert.All(ActivationRun.Forward(definition, new Shape(2), [float.NegativeInfinity, float.NegativeInfinity]), static v => Assert.True(float.IsNaN(v)));
        Assert.Equal([0, 1], ActivationRun.Forward(definition, new Shape(2), [float.NegativeInfinity, 0]));
    }

    [Fact]
    public void Silu_is_x_times_sigmoid_and_gelu_x_times_the_normal_distribution()
    {
        var x = ActivationRun.Uniform(500, -6, 6, 10);
        var (sigmoid, normal) = (new float[500], new float[500]);
        VectorMath.Sigmoid(sigmoid, x);
        VectorMath.NormalDistribution(normal, x);
        Assert.Equal(x.Zip(sigmoid, static (a, b) => a * b), ActivationRun.Forward(new ActivationDefinition(Activation.Silu), new Shape(500), x));
        Assert.Equal(x.Zip(normal, static (a, b) => a * b), ActivationRun.Forward(new ActivationDefinition(Activation.Gelu), new Shape(500), x));
    }

    [Fact]
    public void Elu_and_leaky_relu_take_their_parameters_from_the_definition()
    {
        Assert.Equal([-1.5f, 2], ActivationRun.Forward(new ActivationDefinition(Activation.LeakyRelu, Slope: 0.5f), new Shape(2), [-3, 2]));
        Assert.Equal([-3, 2], ActivationRun.Forward(new ActivationDefinition(Activation.Elu, Alpha: 3), new Shape(2), [-100, 2]));
    }

    [Fact]
    public void A_slope_that_is_not_finite_is_refused()
    {
        var definition = new ModelDefinition(new Shape(2), [new ActivationDefinition(Activation.LeakyRelu, Slope: float.NaN)], new InitialWeights(InitialWeightsKind.Zeros));
        Assert.Contains("LeakyRelu (layer 0)", Assert.Throws<ArgumentException>(() => new Model(definition)).Message, StringComparison.Ordinal);
    }

    private static int[] Bits(ReadOnlySpan<float> values)
    {
        var bits = new int[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            bits[i] = BitConverter.SingleToInt32Bits(values[i]);
        }

        return bits;
    }
}
