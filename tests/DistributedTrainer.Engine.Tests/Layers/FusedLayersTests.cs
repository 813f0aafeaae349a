using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Layers;

/// <summary>Layers that are computed as one operation against the same layers one by one: values, gradients and diagnostics have the same bits.</summary>
public sealed class FusedLayersTests
{
    private static readonly Activation[] Functions = [Activation.Relu, Activation.Tanh, Activation.Sigmoid];

    // C, H, W, kernel and stride of the pooling: around 16 lanes, 8 windows, odd sides, windows that overlap or leave gaps
    public static TheoryData<int, int, int, int, int> Pools => new()
    {
        { 3, 2, 2, 2, 2 }, { 2, 2, 6, 2, 2 }, { 3, 4, 4, 2, 2 }, { 2, 6, 14, 2, 2 }, { 3, 14, 14, 2, 2 }, { 2, 4, 16, 2, 2 }, { 2, 6, 18, 2, 2 }, { 1, 4, 34, 2, 2 },
        { 2, 28, 28, 2, 2 }, { 2, 5, 4, 2, 2 }, { 2, 4, 7, 2, 2 }, { 3, 7, 9, 2, 2 }, { 2, 6, 6, 2, 1 }, { 2, 7, 17, 3, 2 }, { 2, 9, 9, 3, 3 }, { 2, 8, 11, 2, 3 }, { 2, 5, 33, 3, 1 },
    };

    public static TheoryData<int> Units => [1, 10, 15, 16, 17, 32, 33, 100];

    [Theory]
    [MemberData(nameof(Units))]
    public void Linear_layers_with_an_activation_have_the_bits_of_separate_ones(int units)
    {
        foreach (var function in Functions)
        {
            // In turn: taken over by the next linear layer, not taken over before a flatten and a layer norm, at the end.
            LayerDefinition[] layers =
            [
                new LinearDefinition(units), new ActivationDefinition(function), new LinearDefinition(units + 3, Bias: false), new ActivationDefinition(function),
                new FlattenDefinition(), new LinearDefinition(5), new ActivationDefinition(function),
                new LayerNormDefinition(), new LinearDefinition(units), new ActivationDefinition(function),
            ];
            foreach (var rows in new[] { new[] { 1 }, [3, 1, 13], [12, 33] })
            {
                Same(new Shape(7), layers, rows, special: false);
            }

            Same(new Shape(5), layers, [9], special: true);
        }
    }

    [Fact]
    public void A_loss_behind_a_sigmoid_that_was_fused_gives_the_same_steps()
    {
        LayerDefinition[] layers = [new LinearDefinition(9), new ActivationDefinition(Activation.Tanh), new LinearDefinition(3), new ActivationDefinition(Activation.Sigmoid)];
        var fused = Trained(layers);
        Assert.Equal(fused, Trained(PassThroughDefinition.Between(layers)));

        static float[] Trained(LayerDefinition[] layers)
        {
            var model = new Model(new ModelDefinition(new Shape(4), layers, new InitialWeights(InitialWeightsKind.He)));
            var training = new LocalTraining(model, new MeanSquaredErrorLoss(), new Engine.Optimizers.Sgd(), 10);
            for (var step = 0; step < 3; step++)
            {
                training.Step(Numbers.Normal(40, step), [], Numbers.Normal(30, step + 10), [3, 7], 0.1f);
            }

            return training.Parameters.ToArray();
        }
    }

    [Theory]
    [MemberData(nameof(Pools))]
    public void Batch_norm_of_images_with_relu_and_pooling_has_the_bits_of_separate_layers(int channels, int height, int width, int kernel, int stride)
    {
        foreach (var sync in (bool[])[true, false])
        {
            LayerDefinition[] layers = [new BatchNormDefinition(Sync: sync), new ActivationDefinition(Activation.Relu), new MaxPool2dDefinition(kernel, stride)];
            foreach (var some in (LayerDefinition[][])[layers, layers[..2]])
            {
                Same(new Shape(channels, height, width), some, [4], special: false);
                Same(new Shape(channels, height, width), some, [2, 1, 3], special: false);
                Same(new Shape(channels, height, width), some, [3], special: true);
            }
        }
    }

    [Fact]
    public void Equal_windows_and_a_negative_gamma_have_the_bits_of_separate_layers()
    {
        // Most values are equal or below 0 after relu: the first of equals wins, and the slope there is 0.
        LayerDefinition[] layers = [new BatchNormDefinition(), new ActivationDefinition(Activation.Relu), new MaxPool2dDefinition(2)];
        var x = Array.ConvertAll(Numbers.Normal(4 * 2 * 36, 1), MathF.Round);
        Same(new Shape(2, 6, 6), layers, [4], x, static run => run.Parameter("0.weight")[0] = -2);
    }

    [Fact]
    public void A_convolutional_network_has_the_bits_of_separate_layers()
    {
        LayerDefinition[] layers =
        [
            new Conv2dDefinition(5, 3, Padding: 1), new BatchNormDefinition(), new ActivationDefinition(Activation.Relu), new MaxPool2dDefinition(2),
            new ResidualDefinition([new Conv2dDefinition(5, 3, Padding: 1), new BatchNormDefinition(), new ActivationDefinition(Activation.Relu), new DropoutDefinition(0.2f)]),
            new BatchNormDefinition(), new ActivationDefinition(Activation.Relu), new FlattenDefinition(), new LinearDefinition(20), new ActivationDefinition(Activation.Relu), new LinearDefinition(3),
        ];
        Same(new Shape(2, 8, 10), layers, [5, 2], special: false);
    }

    [Fact]
    public void Diagnostics_see_the_same_numbers()
    {
        LayerDefinition[] layers =
        [
            new Conv2dDefinition(4, 3, Padding: 1), new BatchNormDefinition(), new ActivationDefinition(Activation.Relu), new MaxPool2dDefinition(2),
            new Conv2dDefinition(3, 3), new BatchNormDefinition(), new ActivationDefinition(Activation.Relu), new FlattenDefinition(),
            new LinearDefinition(12), new ActivationDefinition(Activation.Tanh), new LinearDefinition(6), new ActivationDefinition(Activation.Sigmoid), new LinearDefinition(3),
        ];
        var (fused, separate) = (Diagnosed(layers), Diagnosed(PassThroughDefinition.Between(layers)));
        Assert.Equal([2, 6, 9, 11], fused.Activations.Select(static units => int.Parse(units.Layer, null)));
        Assert.Equal(fused.Activations.Select(static units => units with { Layer = "" }), separate.Activations.Select(static units => units with { Layer = "" }));
        Assert.Equal(fused.Parameters.Select(static parameter => parameter with { Name = "" }), separate.Parameters.Select(static parameter => parameter with { Name = "" }));
        Assert.Contains(fused.Activations, static units => units.SaturatedValues is > 0.1 and < 0.9);

        static ModelDiagnostics Diagnosed(LayerDefinition[] layers)
        {
            var network = Network.Create(new Shape(1, 8, 8), 3, layers);

            // The second channel of the first normalisation is below 0 everywhere, so one unit is dead.
            network.Parameters[network.Model.Layout.Slots.Last(static slot => slot.Shape == new Shape(4)).Offset + 1] = -100;
            return ModelDiagnostics.Of(network, new Examples(Numbers.Normal(64 * 30, 1), Numbers.Below(30, 3, 2)), batchSize: 8);
        }
    }

    [Fact]
    public void A_warm_step_through_fused_image_layers_allocates_nothing()
    {
        LayerDefinition[] layers =
        [
            new Conv2dDefinition(3, 3, Padding: 1), new BatchNormDefinition(), new ActivationDefinition(Activation.Relu), new MaxPool2dDefinition(2),
            new BatchNormDefinition(), new ActivationDefinition(Activation.Relu), new FlattenDefinition(), new LinearDefinition(4),
        ];
        var model = new Model(new ModelDefinition(new Shape(1, 10, 6), layers, new InitialWeights(InitialWeightsKind.He)));
        var workspace = model.CreateWorkspace(new CrossEntropyLoss(), 12);
        model.Initialize(workspace.Parameters, workspace.Buffers, seed: 1);
        Numbers.Normal(12 * 60, 1).CopyTo(workspace.Input(12));
        Numbers.Below(12, 4, 2).CopyTo(workspace.Labels(12));
        AlignedBuffer[] gradients = [new(model.Layout.Length), new(model.Layout.Length)];
        var (sums, segments, exchange) = (new LeafSums[2], Leaves.Of(7, 5), new LocalExchange(2));
        Assert.Equal(0, Allocation.Warm(() => workspace.Train(1, 2, segments, gradients, sums, exchange)));
        Assert.Equal(0, Allocation.Warm(() => workspace.Evaluate(12, out _)));
    }

    private static void Same(Shape input, LayerDefinition[] layers, int[] rows, bool special)
    {
        var count = rows.Sum() * input.Elements;
        Same(input, layers, rows, special ? Numbers.WithSpecial(count, 1) : Numbers.Normal(count, 1), static _ => { });
    }

    private static void Same(Shape input, LayerDefinition[] layers, int[] rows, float[] x, Action<LayerRun> change)
    {
        var leaves = Leaves.Of(rows).Select(static leaf => (leaf.Leaf, leaf.Rows)).ToArray();
        var (fused, separate) = (new LayerRun(input, rows.Sum(), layers), new LayerRun(input, rows.Sum(), PassThroughDefinition.Between(layers)));
        fused.Parameters.Clear();
        Numbers.Normal(fused.Parameters.Length, 2, mean: 0.2).CopyTo(fused.Parameters);
        change(fused);
        fused.Parameters.CopyTo(separate.Parameters);
        var what = $"{string.Join(", ", layers.Select(static layer => layer.ToString()))} on {input}";
        AssertBits.Equal(separate.Forward(x, training: false, leaves), fused.Forward(x, training: false, leaves), $"evaluation of {what}");
        AssertBits.Equal(separate.Forward(x, training: true, leaves), fused.Forward(x, training: true, leaves), $"output of {what}");
        var dy = Numbers.Normal(rows.Sum() * fused.OutputColumns, 3);
        AssertBits.Equal(separate.Backward(dy), fused.Backward(dy), $"input gradient of {what}");
        for (var leaf = 0; leaf < rows.Length; leaf++)
        {
            AssertBits.Equal(separate.Gradients[leaf].Span, fused.Gradients[leaf].Span, $"gradient of leaf {leaf} of {what}");
        }
    }
}
