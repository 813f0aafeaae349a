using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cli.Exporting;

/// <summary>The layers of a network as ONNX nodes, with running statistics and without dropout.</summary>
internal sealed class OnnxLayers(Network network, OnnxGraph graph)
{
    private readonly Dictionary<string, ParameterSlot> _parameters = network.Model.Layout.Slots.ToDictionary(static slot => slot.Name);
    private readonly Dictionary<string, BufferSlot> _buffers = network.Model.Buffers.Slots.ToDictionary(static slot => slot.Name);

    /// <summary>Adds all layers.</summary>
    /// <param name="rows">Preprocessed rows (N, columns).</param>
    /// <returns>The outputs (N, outputs).</returns>
    public string Add(string rows)
    {
        var input = network.Definition.Input;
        var shaped = input.Rank == 1 ? rows
            : graph.Node("Reshape", [rows, graph.Constant((long[])[-1, .. Enumerable.Range(0, input.Rank).Select(dimension => (long)input[dimension])], input.Rank + 1)]);
        var output = Sequence("", network.Definition.Layers, shaped);
        return network.Model.Output.Rank == 1 ? output : graph.Node("Flatten", [output], ("axis", 1));
    }

    private string Sequence(string prefix, IReadOnlyList<LayerDefinition> layers, string x)
    {
        for (var layer = 0; layer < layers.Count; layer++)
        {
            x = Layer($"{prefix}{layer}", layers[layer], x);
        }

        return x;
    }

    private string Layer(string path, LayerDefinition layer, string x) => layer switch
    {
        LinearDefinition => graph.Node("Gemm", Inputs(path, x), ("transB", 1)),
        Conv2dDefinition conv => graph.Node(
            "Conv", Inputs(path, x), ("kernel_shape", Square(conv.Kernel)), ("strides", Square(conv.Stride)), ("pads", (int[])[conv.Padding, conv.Padding, conv.Padding, conv.Padding])),
        MaxPool2dDefinition pool => Pool("MaxPool", x, pool.Kernel, pool.Stride),
        AvgPool2dDefinition pool => Pool("AveragePool", x, pool.Kernel, pool.Stride),
        GlobalAvgPool2dDefinition => graph.Node("GlobalAveragePool", [x]),
        FlattenDefinition => graph.Node("Flatten", [x], ("axis", 1)),
        BatchNormDefinition norm => graph.Node(
            "BatchNormalization", [x, Parameter($"{path}.weight"), Parameter($"{path}.bias"), Buffer($"{path}.running_mean"), Buffer($"{path}.running_var")], ("epsilon", norm.Epsilon)),
        LayerNormDefinition norm => graph.Node("LayerNormalization", [x, Parameter($"{path}.weight"), Parameter($"{path}.bias")], ("axis", -1), ("epsilon", norm.Epsilon)),
        DropoutDefinition => x,
        ActivationDefinition activation => Activation(activation, x),
        ResidualDefinition residual => graph.Node("Add", [Sequence($"{path}.body.", residual.Layers, x), Sequence($"{path}.shortcut.", residual.Shortcut ?? [], x)]),
        _ => throw new NotSupportedException($"export: a layer of type {layer.GetType().Name} has no form in ONNX here."),
    };

    private string Activation(ActivationDefinition activation, string x) => activation.Function switch
    {
        Engine.Layers.Activation.Relu => graph.Node("Relu", [x]),
        Engine.Layers.Activation.Tanh => graph.Node("Tanh", [x]),
        Engine.Layers.Activation.Sigmoid => graph.Node("Sigmoid", [x]),
        Engine.Layers.Activation.LeakyRelu => graph.Node("LeakyRelu", [x], ("alpha", activation.Slope)),
        Engine.Layers.Activation.Elu => graph.Node("Elu", [x], ("alpha", activation.Alpha)),
        Engine.Layers.Activation.Softplus => graph.Node("Softplus", [x]),
        Engine.Layers.Activation.Gelu => graph.Node("Gelu", [x]),
        Engine.Layers.Activation.Silu => graph.Node("Mul", [x, graph.Node("Sigmoid", [x])]),
        Engine.Layers.Activation.Softmax => graph.Node("Softmax", [x], ("axis", -1)),
        Engine.Layers.Activation.LogSoftmax => graph.Node("LogSoftmax", [x], ("axis", -1)),
        _ => throw new NotSupportedException($"export: the activation {activation.Function} has no form in ONNX here."),
    };

    private string Pool(string operation, string x, int kernel, int stride) =>
        graph.Node(operation, [x], ("kernel_shape", Square(kernel)), ("strides", Square(stride == 0 ? kernel : stride)));

    /// <summary>The input, the weight, and the bias where there is one.</summary>
    private string[] Inputs(string path, string x) =>
        _parameters.ContainsKey($"{path}.bias") ? [x, Parameter($"{path}.weight"), Parameter($"{path}.bias")] : [x, Parameter($"{path}.weight")];

    private string Parameter(string name)
    {
        var slot = _parameters[name];
        return graph.Constant(network.Parameters.Slice(slot.Offset, slot.Shape.Elements), Sizes(slot.Shape));
    }

    private string Buffer(string name)
    {
        var slot = _buffers[name];
        return graph.Constant(network.Buffers.Slice(slot.Offset, slot.Shape.Elements), Sizes(slot.Shape));
    }

    private static int[] Square(int size) => [size, size];

    private static int[] Sizes(Shape shape) => [.. Enumerable.Range(0, shape.Rank).Select(dimension => shape[dimension])];
}
