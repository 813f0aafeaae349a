using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Models;

/// <summary>A feed-forward model: the shape of one input row, the layers in order, how weights start.</summary>
public sealed record ModelDefinition(Shape Input, IReadOnlyList<LayerDefinition> Layers, InitialWeights Weights);

/// <summary>One layer: declares its parameters once, and adds its operations to every graph of the model.</summary>
public abstract record LayerDefinition
{
    /// <summary>Declares parameters and buffers.</summary>
    /// <returns>Shape of an output row.</returns>
    /// <exception cref="ArgumentException">The input does not fit the layer.</exception>
    internal abstract Shape Declare(ModelDeclaration model, Shape input);

    /// <summary>Adds the layer's operations.</summary>
    internal abstract Variable Build(ModelGraph graph, Variable x);
}

/// <summary>Collects what layers declare.</summary>
internal sealed class ModelDeclaration
{
    private readonly List<ParameterSlot> _parameters = [];
    private readonly List<BufferSlot> _buffers = [];
    private readonly List<BatchNormSlot> _batchNorms = [];
    private readonly List<ActivationSlot> _activations = [];
    private int _parameterLength;
    private int _bufferLength;

    /// <summary>Where the layer that is being declared stands, such as "3" or "3.body.0": what its parameters' names begin with.</summary>
    public string Layer { get; private set; } = "";

    public ParameterLayout Parameters => new(_parameters);

    public BufferLayout Buffers => new(_buffers);

    public IReadOnlyList<BatchNormSlot> BatchNorms => _batchNorms;

    public IReadOnlyList<ActivationSlot> Activations => _activations;

    /// <summary>Declares layers in order, numbered from 0 behind the prefix.</summary>
    /// <returns>Shape of an output row of the last one.</returns>
    public Shape Sequence(string prefix, IReadOnlyList<LayerDefinition> layers, Shape input)
    {
        var (outer, shape) = (Layer, input);
        for (var layer = 0; layer < layers.Count; layer++)
        {
            Layer = $"{prefix}{layer}";
            shape = layers[layer].Declare(this, shape);
        }

        Layer = outer;
        return shape;
    }

    public void Parameter(string name, Shape shape, bool decays, InitialValue initial)
    {
        _parameters.Add(new ParameterSlot($"{Layer}.{name}", _parameterLength, shape, decays, initial));
        _parameterLength = checked(_parameterLength + shape.Elements);
    }

    public void BatchNorm(int channels, int positions, bool sync, float momentum, float epsilon)
    {
        var mean = Buffer("running_mean", channels, 0);
        var variance = Buffer("running_var", channels, 1);
        _batchNorms.Add(new BatchNormSlot(_batchNorms.Count, channels, sync, momentum, epsilon, mean, variance, positions));
    }

    public void Activation(Layers.Activation function, Shape row)
    {
        var (units, places) = row.Rank == 3 ? (row[0], row[1] * row[2]) : (row.Elements, 1);
        var first = _activations is [.., var last] ? last.FirstUnit + last.Units : 0;
        _activations.Add(new ActivationSlot(Layer, function, units, places, first));
    }

    private int Buffer(string name, int channels, float start)
    {
        var offset = _bufferLength;
        _buffers.Add(new BufferSlot($"{Layer}.{name}", offset, new Shape(channels), start));
        _bufferLength += channels;
        return offset;
    }
}

/// <summary>A graph under construction, which knows the model's parameters.</summary>
internal sealed class ModelGraph(Model model, int maximumRows)
{
    // Layers within layers are numbered from here on, so that the numbers of the outer ones are their places.
    private const int FirstNested = 1 << 23;

    private int _batchNorms;
    private int _activations;
    private int _nested;

    public Graph Graph { get; } = new(maximumRows);

    /// <summary>A number that no other layer of the model has, the same in every graph: the key of its random stream.</summary>
    public int Layer { get; private set; }

    /// <summary>Where the layer that is being built stands, such as "3" or "3.body.0".</summary>
    public string Path { get; private set; } = "";

    /// <summary>Adds layers in order, numbered from 0 behind the prefix.</summary>
    /// <returns>The output of the last one.</returns>
    public Variable Sequence(string prefix, IReadOnlyList<LayerDefinition> layers, Variable input)
    {
        var (outerPath, outerNumber, x) = (Path, Layer, input);
        for (var layer = 0; layer < layers.Count; layer++)
        {
            Enter(prefix, layer);
            var first = Path;
            var (next, activation, more) = Fused(layers, layer, x);
            for (var fused = 1; fused <= more; fused++)
            {
                Enter(prefix, ++layer);
                if (fused == 1)
                {
                    Graph.Activations.Add(new ActivationTap(NextActivation(), activation!));
                }
            }

            x = next;
            Graph.Outputs.Add((more == 0 ? $"layer {first}" : $"layers {first} to {Path}", x));
        }

        (Path, Layer) = (outerPath, outerNumber);
        return x;
    }

    /// <summary>Builds a layer, together with the activation and the pooling behind it where one operation can do it all.</summary>
    /// <returns>The output, the activation that was built in, and how many layers more were built.</returns>
    private (Variable Output, IElementWise? Activation, int More) Fused(IReadOnlyList<LayerDefinition> layers, int layer, Variable x)
    {
        var activation = layer + 1 < layers.Count ? layers[layer + 1] as ActivationDefinition : null;
        switch (layers[layer])
        {
            case LinearDefinition linear when activation is { CanBeFused: true }:
                var y = linear.Build(this, x, activation);
                return (y, y.Activation, 1);
            case BatchNormDefinition norm when activation is { Function: Activation.Relu } && BatchNormDefinition.TakesRelu(x):
                var pool = layer + 2 < layers.Count ? layers[layer + 2] as MaxPool2dDefinition : null;
                var (output, relu) = norm.Build(this, x, pool);
                return (output, relu, pool is null ? 1 : 2);
            default:
                return (layers[layer].Build(this, x), null, 0);
        }
    }

    private void Enter(string prefix, int layer)
    {
        Path = $"{prefix}{layer}";
        Layer = prefix.Length == 0 ? layer : FirstNested + _nested++;
    }

    /// <summary>A parameter of the layer, for operations that are added from now on.</summary>
    public ParameterSlot Parameter(string name)
    {
        var parameter = model.Layout.Slots.Single(slot => slot.Name == $"{Path}.{name}");
        Graph.Uses(parameter.Offset + parameter.Shape.Elements);
        return parameter;
    }

    public BatchNormSlot NextBatchNorm() => model.BatchNorms[_batchNorms++];

    public ActivationSlot NextActivation() => model.Activations[_activations++];
}
