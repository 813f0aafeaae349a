using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Random;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Tests.Layers;

public sealed class NestedLayersTests
{
    [Fact]
    public void Parameters_of_a_block_are_named_as_those_of_its_body_and_shortcut()
    {
        var run = new LayerRun(
            new Shape(2, 4, 4),
            1,
            new ActivationDefinition(Activation.Relu),
            new ResidualDefinition(
                [
                    new Conv2dDefinition(3, 3, Padding: 1, Bias: false),
                    new BatchNormDefinition(),
                    new ResidualDefinition([new Conv2dDefinition(3, 1)]),
                ],
                [new Conv2dDefinition(3, 1), new BatchNormDefinition()]),
            new FlattenDefinition(),
            new LinearDefinition(2));
        Assert.Equal(
            [
                "1.body.0.weight 3x2x3x3",
                "1.body.1.weight 3",
                "1.body.1.bias 3",
                "1.body.2.body.0.weight 3x3x1x1",
                "1.body.2.body.0.bias 3",
                "1.shortcut.0.weight 3x2x1x1",
                "1.shortcut.0.bias 3",
                "1.shortcut.1.weight 3",
                "1.shortcut.1.bias 3",
                "3.weight 2x48",
                "3.bias 2",
            ],
            run.Model.Layout.Slots.Select(static slot => $"{slot.Name} {slot.Shape}"));
        Assert.Equal(
            ["1.body.1.running_mean", "1.body.1.running_var", "1.shortcut.1.running_mean", "1.shortcut.1.running_var"],
            run.Model.Buffers.Slots.Select(static slot => slot.Name));
    }

    [Theory]
    [InlineData(InitialWeightsKind.He, 2.0 / 27)]
    [InlineData(InitialWeightsKind.Glorot, 2.0 / (27 + (64 * 9)))]
    [InlineData(InitialWeightsKind.Xavier, 1.0 / 27)]
    public void Weights_of_a_convolution_start_by_the_inputs_and_outputs_of_its_kernel(InitialWeightsKind kind, double variance)
    {
        var model = new Model(new ModelDefinition(new Shape(3, 8, 8), [new Conv2dDefinition(64, 3)], new InitialWeights(kind)));
        var parameters = new float[model.Layout.Length];
        model.Initialize(parameters, [], seed: 3);
        var weights = parameters.AsSpan(0, 64 * 27).ToArray();

        // 1728 draws: the sample variance is within 10 % with a probability of 0.997.
        Assert.InRange(weights.Average(static weight => (double)weight * weight) / variance, 0.9, 1.1);
        Assert.All(parameters[weights.Length..], static bias => Assert.Equal(0, bias));
    }

    [Fact]
    public void Dropout_of_a_flat_model_is_keyed_by_the_layers_place()
    {
        var run = new LayerRun(new Shape(40), 1, new ActivationDefinition(Activation.Relu), new DropoutDefinition(0.5f));
        var stream = new RandomStream(9, RandomPurpose.Dropout, step: 3, shard: 6, layer: 1);
        var expected = Enumerable.Range(0, 40).Select(i => stream.Bits(i) < 0x80000000 ? 0f : 2f);
        Assert.Equal(expected, run.Forward(Ones(40), training: true, (6, 1)));
    }

    [Fact]
    public void Each_layer_of_a_model_has_a_number_of_its_own_and_outer_ones_that_of_their_place()
    {
        var numbers = new Dictionary<string, int>();
        var probe = new ProbeDefinition(numbers);
        _ = new LayerRun(
            new Shape(4),
            1,
            probe,
            new ResidualDefinition([probe, new ResidualDefinition([probe], [probe]), probe], [probe]),
            probe,
            new ResidualDefinition([probe]),
            probe);
        Assert.Equal([0, 2, 4], [numbers["0"], numbers["2"], numbers["4"]]);
        Assert.Equal(["0", "1.body.0", "1.body.1.body.0", "1.body.1.shortcut.0", "1.body.2", "1.shortcut.0", "2", "3.body.0", "4"], numbers.Keys);
        Assert.Equal(numbers.Count, numbers.Values.Distinct().Count());
    }

    [Fact]
    public void Dropout_within_a_block_drops_other_elements_than_the_same_layer_outside()
    {
        var outer = new LayerRun(new Shape(64), 1, new DropoutDefinition(0.5f)).Forward(Ones(64));
        var block = new LayerRun(new Shape(64), 1, new ResidualDefinition([new DropoutDefinition(0.5f)])).Forward(Ones(64));
        Assert.Equal([0f, 2f], outer.Distinct().Order());
        Assert.Equal([1f, 3f], block.Distinct().Order());
        Assert.NotEqual(outer, Array.ConvertAll(block, static value => value - 1));
    }

    private static float[] Ones(int count)
    {
        var ones = new float[count];
        Array.Fill(ones, 1);
        return ones;
    }

    private sealed record ProbeDefinition(Dictionary<string, int> Numbers) : LayerDefinition
    {
        internal override Shape Declare(ModelDeclaration model, Shape input) => input;

        internal override Variable Build(ModelGraph graph, Variable x)
        {
            Numbers.Add(graph.Path, graph.Layer);
            return x;
        }
    }
}
