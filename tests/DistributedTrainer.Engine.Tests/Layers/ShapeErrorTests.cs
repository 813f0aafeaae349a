using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Tests.Layers;

/// <summary>What does not fit is refused with the layer, the shapes and the remedy.</summary>
public sealed class ShapeErrorTests
{
    private static readonly Dictionary<string, (Shape Input, LayerDefinition Layer, string[] Parts)> Cases = new()
    {
        ["conv2d on a flat row"] = (new Shape(784), new Conv2dDefinition(4, 3), ["conv2d (layer 1)", "784", "channels x height x width"]),
        ["conv2d with too large a kernel"] =
            (new Shape(3, 4, 4), new Conv2dDefinition(4, 7, Padding: 1), ["conv2d (layer 1)", "7x7", "3x4x4", "padding 1", "smaller kernel"]),
        ["conv2d without outputs"] = (new Shape(3, 4, 4), new Conv2dDefinition(0, 3), ["conv2d (layer 1)", "outputs is 0", "at least 1"]),
        ["conv2d with negative padding"] = (new Shape(3, 4, 4), new Conv2dDefinition(1, 3, Padding: -1), ["conv2d (layer 1)", "padding -1", "at least 0"]),
        ["conv2d without stride"] = (new Shape(3, 4, 4), new Conv2dDefinition(1, 3, Stride: 0), ["conv2d (layer 1)", "stride 0", "at least 1"]),
        ["max-pool2d on a flat row"] = (new Shape(9), new MaxPool2dDefinition(2), ["max-pool2d (layer 1)", "9", "channels x height x width"]),
        ["max-pool2d with too large a window"] = (new Shape(1, 2, 3), new MaxPool2dDefinition(3), ["max-pool2d (layer 1)", "3x3", "1x2x3"]),
        ["avg-pool2d with negative stride"] = (new Shape(1, 2, 3), new AvgPool2dDefinition(2, -1), ["avg-pool2d (layer 1)", "stride is -1"]),
        ["avg-pool2d without kernel"] = (new Shape(1, 2, 3), new AvgPool2dDefinition(0), ["avg-pool2d (layer 1)", "kernel is 0"]),
        ["global-avg-pool2d on a flat row"] = (new Shape(9), new GlobalAvgPool2dDefinition(), ["global-avg-pool2d (layer 1)", "9"]),
        ["layer-norm on an image"] = (new Shape(1, 2, 3), new LayerNormDefinition(), ["layer-norm (layer 1)", "1x2x3", "flatten"]),
        ["batch-norm on a matrix"] = (new Shape(2, 3), new BatchNormDefinition(), ["batch-norm (layer 1)", "2x3", "flatten"]),
        ["batch-norm with too much momentum"] = (new Shape(2), new BatchNormDefinition(Momentum: 1.1f), ["batch-norm (layer 1)", "momentum is 1.1", "from 0 to 1"]),
        ["batch-norm with negative momentum"] = (new Shape(2), new BatchNormDefinition(Momentum: -0.1f), ["batch-norm (layer 1)", "momentum is -0.1"]),
        ["batch-norm with momentum NaN"] = (new Shape(2), new BatchNormDefinition(Momentum: float.NaN), ["batch-norm (layer 1)", "momentum is NaN"]),
        ["batch-norm without epsilon"] = (new Shape(2), new BatchNormDefinition(Epsilon: 0), ["batch-norm (layer 1)", "epsilon is 0", "above 0"]),
        ["batch-norm with infinite epsilon"] = (new Shape(2), new BatchNormDefinition(Epsilon: float.PositiveInfinity), ["batch-norm (layer 1)", "epsilon is"]),
        ["linear on an image"] = (new Shape(1, 2, 3), new LinearDefinition(2), ["linear (layer 1)", "1x2x3", "flatten"]),
        ["residual without layers"] = (new Shape(4), new ResidualDefinition([]), ["residual (layer 1)", "no layers"]),
        ["residual that changes the shape"] =
            (new Shape(8, 6, 6), new ResidualDefinition([new Conv2dDefinition(16, 3, 2, 1)]), ["residual (layer 1)", "16x3x3", "8x6x6", "shortcut"]),
        ["residual with another shortcut"] =
            (new Shape(4), new ResidualDefinition([new LinearDefinition(5)], [new LinearDefinition(6)]), ["residual (layer 1)", "shape 5", "makes 6"]),
        ["a layer within a block"] =
            (new Shape(4), new ResidualDefinition([new LinearDefinition(4), new MaxPool2dDefinition(2)]), ["max-pool2d (layer 1.body.1)"]),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Message_names_the_layer_the_shapes_and_the_remedy(string name)
    {
        var (input, layer, parts) = Cases[name];
        var definition = new ModelDefinition(input, [new ActivationDefinition(Activation.Relu), layer], new InitialWeights(InitialWeightsKind.He));
        var message = Assert.Throws<ArgumentException>(() => new Model(definition)).Message;
        Assert.All(parts, part => Assert.Contains(part, message, StringComparison.Ordinal));
    }
}
