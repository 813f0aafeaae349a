using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Random;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Tests.Layers;

/// <summary>Layers in a graph whose input has a gradient, with chosen parameters and a chosen upstream gradient.</summary>
internal sealed class LayerRun
{
    private readonly Graph _graph;
    private readonly Variable _input;
    private readonly Variable _output;
    private readonly Pass _pass = new();
    private LocalExchange _exchange = new(1);

    public LayerRun(Shape input, int maximumRows, params LayerDefinition[] layers)
    {
        Model = new Model(new ModelDefinition(input, layers, new InitialWeights(InitialWeightsKind.He)));
        (_graph, _input, _output) = Model.Build(maximumRows, inputNeedsGradient: true);
        _pass.Parameters = new AlignedBuffer(Model.Layout.Length);
        _pass.Buffers = new AlignedBuffer(Model.Buffers.Length);
        Model.Initialize(Parameters, Buffers, seed: 5);
    }

    public Model Model { get; }

    public Span<float> Parameters => _pass.Parameters.Span;

    public Span<float> Buffers => _pass.Buffers.Span;

    public IReadOnlyDictionary<int, ColumnSums> Pooled => _exchange.Pooled;

    public int InputColumns => _input.Columns;

    public int OutputColumns => _output.Columns;

    public AlignedBuffer[] Gradients { get; private set; } = [];

    public Span<float> Parameter(string name) => Model.Layout.Slots.Single(slot => slot.Name == name).In(_pass.Parameters);

    public Span<float> Gradient(string name, int leaf = 0) => Model.Layout.Slots.Single(slot => slot.Name == name).In(Gradients[leaf]);

    /// <summary>The gradient by a parameter, summed over the leaves.</summary>
    public float[] GradientSum(string name) =>
        [.. Enumerable.Range(0, Parameter(name).Length).Select(i => Enumerable.Range(0, Gradients.Length).Sum(leaf => Gradient(name, leaf)[i]))];

    /// <summary>Forward over the rows of these leaves, one leaf unless given; the outputs.</summary>
    public float[] Forward(ReadOnlySpan<float> x, bool training = true, params (int Leaf, int Rows)[] leaves)
    {
        _pass.Rows = x.Length / InputColumns;
        _pass.Training = training;
        (_pass.Step, _pass.Seed) = (3, 9);
        Segment(leaves.Length == 0 ? [(0, _pass.Rows)] : leaves);
        x.CopyTo(_input.Value(_pass.Rows));
        _graph.Forward(_pass);
        return _output.Value(_pass.Rows).ToArray();
    }

    /// <summary>Backward after Forward; the gradient by the input.</summary>
    public float[] Backward(ReadOnlySpan<float> dy)
    {
        dy.CopyTo(_output.Gradient(_pass.Rows));
        _graph.Backward(_pass);
        return _input.Gradient(_pass.Rows).ToArray();
    }

    /// <summary>Fixed numbers from −1 to 1.</summary>
    public static float[] Numbers(int count, int seed)
    {
        var stream = new RandomStream((ulong)seed, RandomPurpose.Augment);
        var values = new float[count];
        for (var i = 0; i < count; i++)
        {
            values[i] = (2 * stream.Uniform(i)) - 1;
        }

        return values;
    }

    private void Segment(params (int Leaf, int Rows)[] leaves)
    {
        var segments = new LeafSegment[leaves.Length];
        var first = 0;
        for (var i = 0; i < leaves.Length; i++)
        {
            segments[i] = new LeafSegment(leaves[i].Leaf, first, leaves[i].Rows);
            first += leaves[i].Rows;
        }

        _exchange = new LocalExchange(Math.Max(16, leaves.Max(static leaf => leaf.Leaf) + 1));
        _pass.Exchange = _exchange;
        _pass.SetSegments(segments);
        Gradients = Array.ConvertAll(segments, _ => new AlignedBuffer(Model.Layout.Length));
        foreach (var gradient in Gradients)
        {
            gradient.Span.Fill(float.NaN);
        }

        _pass.Gradients = Gradients;
    }
}
