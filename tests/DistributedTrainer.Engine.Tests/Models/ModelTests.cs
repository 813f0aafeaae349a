using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Models;

/// <summary>Layout, names and initial weights.</summary>
public sealed class ModelTests
{
    private static readonly LayerDefinition[] Layers =
        [new LinearDefinition(8), new BatchNormDefinition(), new ActivationDefinition(Activation.Relu), new DropoutDefinition(0.5f), new LinearDefinition(3, Bias: false), new BatchNormDefinition(0.2f, 1e-3f, Sync: false)];

    [Fact]
    public void Names_and_shapes_are_those_of_the_equal_sequential_in_pytorch()
    {
        var model = Model(Layers, InitialWeightsKind.He, inputs: 4);
        Assert.Equal(
            ["0.weight 8x4 0", "0.bias 8 32", "1.weight 8 40", "1.bias 8 48", "4.weight 3x8 56", "5.weight 3 80", "5.bias 3 83"],
            model.Layout.Slots.Select(static slot => $"{slot.Name} {slot.Shape} {slot.Offset}"));
        Assert.Equal(86, model.Layout.Length);
        Assert.Equal(["1.running_mean 8 0", "1.running_var 8 8", "5.running_mean 3 16", "5.running_var 3 19"], model.Buffers.Slots.Select(static slot => $"{slot.Name} {slot.Shape} {slot.Offset}"));
        Assert.Equal(22, model.Buffers.Length);
        Assert.Equal(["0.weight", "4.weight"], model.Layout.Slots.Where(static slot => slot.Decays).Select(static slot => slot.Name));
        Assert.Equal((new Shape(4), new Shape(3)), (model.Input, model.Output));
        Assert.Equal([new BatchNormSlot(0, 8, true, 0.1f, 1e-5f, 0, 8), new BatchNormSlot(1, 3, false, 0.2f, 1e-3f, 16, 19)], model.BatchNorms);
    }

    [Fact]
    public void Biases_and_batch_norm_start_as_in_pytorch()
    {
        var (parameters, buffers) = Initial(Model(Layers, InitialWeightsKind.He, inputs: 4), 1);
        Assert.All(parameters[32..40], static bias => Assert.Equal(0f, bias));
        Assert.All(parameters[40..48], static gamma => Assert.Equal(1f, gamma));
        Assert.All(parameters[48..56], static beta => Assert.Equal(0f, beta));
        Assert.Equal([.. Enumerable.Repeat(0f, 8), .. Enumerable.Repeat(1f, 8), 0, 0, 0, 1, 1, 1], buffers);
    }

    [Theory]
    [InlineData(InitialWeightsKind.He, 0, 0.08838834764)] // √(2 / 256)
    [InlineData(InitialWeightsKind.Glorot, 0, 0.05103103630)] // √(2 / (256 + 512))
    [InlineData(InitialWeightsKind.Xavier, 0, 0.0625)] // 1 / √256
    [InlineData(InitialWeightsKind.Normal, 0.01, 0.01)]
    [InlineData(InitialWeightsKind.Uniform, 0.3, 0.17320508076)] // 0.3 / √3
    public void Initial_weights_have_mean_zero_and_the_deviation_of_their_kind(InitialWeightsKind kind, double scale, double deviation)
    {
        var model = Model([new LinearDefinition(512)], kind, 256, scale);
        var weights = Initial(model, 7).Parameters[..(512 * 256)];

        // Five standard errors.
        Assert.Equal(0, weights.Average(static w => (double)w), 5 * deviation / Math.Sqrt(weights.Length));
        Assert.Equal(deviation, Math.Sqrt(weights.Average(static w => (double)w * w)), 5 * deviation / Math.Sqrt(2.0 * weights.Length));
        if (kind == InitialWeightsKind.Uniform)
        {
            Assert.InRange(weights.Min(), -0.3f, -0.299f);
            Assert.InRange(weights.Max(), 0.299f, MathF.BitDecrement(0.3f));
        }
        else
        {
            // 4.2 deviations come about three times in 131,072 draws, 6 never.
            Assert.InRange(weights.Max(Math.Abs) / deviation, 3.8, 6);
        }
    }

    [Fact]
    public void Zeros_are_zeros() => Assert.All(Initial(Model([new LinearDefinition(5)], InitialWeightsKind.Zeros, 4), 1).Parameters, static weight => Assert.Equal(0f, weight));

    [Fact]
    public void The_same_seed_gives_the_same_bits_and_another_seed_others()
    {
        var model = Model(Layers, InitialWeightsKind.He, inputs: 4);
        var first = Initial(model, 1).Parameters;
        AssertBits.Equal(first, Initial(Model(Layers, InitialWeightsKind.He, inputs: 4), 1).Parameters, "seed 1 again");
        Assert.NotEqual(first, Initial(model, 2).Parameters);

        // Layers draw from streams of their own.
        Assert.NotEqual(first[..24], first[56..80]);
    }

    [Fact]
    public void Initial_weights_are_the_bits_they_have_always_been()
    {
        // Computed apart, from Philox and a normal quantile. Other bits here are a change of every result that anyone has: it needs a reason and a word in the change log.
        var parameters = Initial(Model([new LinearDefinition(2)], InitialWeightsKind.Normal, 2, scale: 1), 42).Parameters;
        AssertBits.Equal([0.182043826f, -1.55636559f, -0.290046827f, -0.181374734f, 0, 0], parameters, "weights of seed 42");
    }

    [Fact]
    public void A_layer_that_does_not_fit_names_itself_and_the_shape()
    {
        var problem = Assert.Throws<ArgumentException>(static () => new Model(new ModelDefinition(new Shape(1, 4, 4), [new LinearDefinition(3)], new InitialWeights(InitialWeightsKind.He))));
        Assert.Contains("layer 0", problem.Message, StringComparison.Ordinal);
        Assert.Contains("1x4x4", problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-3)]
    public void A_linear_layer_without_units_is_refused(int outputs) =>
        Assert.Contains($"{outputs} outputs", Assert.Throws<ArgumentException>(() => Model([new LinearDefinition(outputs)], InitialWeightsKind.He, 4)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(1f)]
    [InlineData(-0.1f)]
    [InlineData(float.NaN)]
    public void An_impossible_dropout_rate_is_refused(float rate) =>
        Assert.Throws<ArgumentException>(() => Model([new DropoutDefinition(rate)], InitialWeightsKind.He, 4));

    private static Model Model(LayerDefinition[] layers, InitialWeightsKind kind, int inputs, double scale = 0) =>
        new(new ModelDefinition(new Shape(inputs), layers, new InitialWeights(kind, scale)));

    private static (float[] Parameters, float[] Buffers) Initial(Model model, ulong seed)
    {
        var (parameters, buffers) = (new float[model.Layout.Length], new float[model.Buffers.Length]);
        model.Initialize(parameters, buffers, seed);
        return (parameters, buffers);
    }
}
