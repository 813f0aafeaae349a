using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
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
    private int _parameterLength;
    private int _bufferLength;

    /// <summary>Number of the layer that is being declared.</summary>
    public int Layer { get; set; }

    public ParameterLayout Parameters => new(_parameters);

    public BufferLayout Buffers => new(_buffers);

    public IReadOnlyList<BatchNormSlot> BatchNorms => _batchNorms;

    public void Parameter(string name, Shape shape, bool decays, InitialValue initial)
    {
        _parameters.Add(new ParameterSlot($"{Layer}.{name}", _parameterLength, shape, decays, initial));
        _parameterLength = checked(_parameterLength + shape.Elements);
    }

    public void BatchNorm(int channels, bool sync, float momentum, float epsilon)
    {
        var mean = Buffer("running_mean", channels, 0);
        var variance = Buffer("running_var", channels, 1);
        _batchNorms.Add(new BatchNormSlot(_batchNorms.Count, channels, sync, momentum, epsilon, mean, variance));
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
    private int _batchNorms;

    public Graph Graph { get; } = new(maximumRows);

    /// <summary>Number of the layer that is being built.</summary>
    public int Layer { get; set; }

    public ParameterSlot Parameter(string name) => model.Layout.Slots.Single(slot => slot.Name == $"{Layer}.{name}");

    public BatchNormSlot NextBatchNorm() => model.BatchNorms[_batchNorms++];
}
