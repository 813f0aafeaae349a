using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Random;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Models;

/// <summary>A model's form: where its parameters lie and how its graph is built. Holds no values; those are in workspaces and on servers.</summary>
public sealed class Model
{
    private readonly ModelDefinition _definition;

    /// <summary>Declares all layers in order.</summary>
    /// <exception cref="ArgumentException">A layer does not fit its input; names the layer.</exception>
    public Model(ModelDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        _definition = definition;
        var declaration = new ModelDeclaration();
        Output = declaration.Sequence("", definition.Layers, definition.Input);
        Layout = declaration.Parameters;
        Buffers = declaration.Buffers;
        BatchNorms = declaration.BatchNorms;
        Activations = declaration.Activations;
    }

    /// <summary>Shape of one input row.</summary>
    public Shape Input => _definition.Input;

    /// <summary>Shape of one output row.</summary>
    public Shape Output { get; }

    /// <summary>Where the parameters lie.</summary>
    public ParameterLayout Layout { get; }

    /// <summary>Where the running statistics lie.</summary>
    public BufferLayout Buffers { get; }

    /// <summary>The batch-norm layers in order.</summary>
    public IReadOnlyList<BatchNormSlot> BatchNorms { get; }

    /// <summary>The element-wise activation layers in order.</summary>
    public IReadOnlyList<ActivationSlot> Activations { get; }

    /// <summary>Units of all of <see cref="Activations"/>.</summary>
    public int Units => Activations is [.., var last] ? last.FirstUnit + last.Units : 0;

    /// <summary>Writes the initial parameters and buffers; the same for the same seed on every machine.</summary>
    public void Initialize(Span<float> parameters, Span<float> buffers, ulong seed)
    {
        for (var i = 0; i < Layout.Slots.Count; i++)
        {
            var slot = Layout.Slots[i];
            var values = parameters.Slice(slot.Offset, slot.Shape.Elements);
            if (slot.Initial.Constant is { } constant)
            {
                values.Fill(constant);
            }
            else
            {
                _definition.Weights.Fill(values, slot.Initial.Inputs, slot.Initial.Outputs, new RandomStream(seed, RandomPurpose.InitialWeights, layer: i));
            }
        }

        foreach (var slot in Buffers.Slots)
        {
            buffers.Slice(slot.Offset, slot.Shape.Elements).Fill(slot.Start);
        }
    }

    /// <summary>Room to compute with, for one thread.</summary>
    /// <param name="loss">What is minimised.</param>
    /// <param name="maximumRows">The most rows a batch has.</param>
    /// <param name="parametersOf">
    /// Another thread's workspace, with which this one has parameters and running statistics in common: nobody computes while
    /// they are filled. Default: it has its own.
    /// </param>
    public Workspace CreateWorkspace(Loss loss, int maximumRows, Workspace? parametersOf = null) => new(this, loss, maximumRows, parametersOf);

    /// <summary>What a workspace takes: all layers' outputs and their gradients, parameters and running statistics.</summary>
    /// <param name="maximumRows">The most rows a batch has.</param>
    public long WorkspaceBytes(int maximumRows) => Build(maximumRows).Graph.Bytes + (sizeof(float) * ((long)Layout.Length + Buffers.Length));

    internal (Graph Graph, Variable Input, Variable Output) Build(int maximumRows, bool inputNeedsGradient = false)
    {
        var graph = new ModelGraph(this, maximumRows);
        var input = graph.Graph.Input(_definition.Input, inputNeedsGradient);
        return (graph.Graph, input, graph.Sequence("", _definition.Layers, input));
    }
}
