using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>One layer by itself, with given weights: forward, backward from a given dy, and the gradient by its input.</summary>
internal sealed class LayerProbe
{
    private readonly Model _model;
    private readonly Graph _graph;
    private readonly Variable _x;
    private readonly Variable _y;
    private readonly Pass _pass = new();

    public LayerProbe(LayerDefinition layer, Shape row, int maximumRows)
    {
        _model = new Model(new ModelDefinition(row, [layer], new InitialWeights(InitialWeightsKind.Zeros)));
        var graph = new ModelGraph(_model, maximumRows);
        _graph = graph.Graph;
        _x = _graph.Input(row, needsGradient: true);
        _y = layer.Build(graph, _x);
        _pass.Parameters = new AlignedBuffer(_model.Layout.Length);
        _pass.Buffers = new AlignedBuffer(_model.Buffers.Length);
        _model.Initialize(_pass.Parameters.Span, _pass.Buffers.Span, 1);
    }

    public Shape Output => _y.Shape;

    public Span<float> Buffers => _pass.Buffers.Span;

    public IReadOnlyList<BatchNormSlot> BatchNorms => _model.BatchNorms;

    public void SetWeights(Dictionary<string, GoldenArray> weights)
    {
        Assert.Equal(_model.Layout.Slots.Select(static slot => slot.Name).Order(StringComparer.Ordinal), weights.Keys.Select(static name => "0." + name).Order(StringComparer.Ordinal));
        foreach (var slot in _model.Layout.Slots)
        {
            var golden = weights[slot.Name[2..]];
            Assert.Equal(new Shape(golden.Sizes), slot.Shape);
            golden.Floats.CopyTo(slot.In(_pass.Parameters));
        }
    }

    /// <summary>A training pass over leaves of so many rows.</summary>
    /// <returns>Output, gradient by the input, and by each parameter summed over the leaves.</returns>
    public (float[] Y, float[] Dx, Dictionary<string, float[]> Gradients) Train(float[] x, float[] dy, int[] leafRows, IBatchStatisticsExchange? exchange = null)
    {
        var rows = leafRows.Sum();
        var leaves = Array.ConvertAll(leafRows, _ => new AlignedBuffer(_model.Layout.Length));
        (_pass.Training, _pass.Rows, _pass.Gradients) = (true, rows, leaves);
        _pass.Exchange = exchange ?? new LocalExchange(leafRows.Length);
        _pass.SetSegments(Leaves.Of(leafRows));
        x.CopyTo(_x.Value(rows));
        _graph.Forward(_pass);
        dy.CopyTo(_y.Gradient(rows));
        _graph.Backward(_pass);
        var gradients = _model.Layout.Slots.ToDictionary(
            static slot => slot.Name[2..],
            slot => Enumerable.Range(0, slot.Shape.Elements).Select(i => leaves.Sum(leaf => slot.In(leaf)[i])).ToArray());
        return (_y.Value(rows).ToArray(), _x.Gradient(rows).ToArray(), gradients);
    }

    /// <summary>An evaluation pass.</summary>
    public float[] Evaluate(float[] x, int rows)
    {
        (_pass.Training, _pass.Rows) = (false, rows);
        x.CopyTo(_x.Value(rows));
        _graph.Forward(_pass);
        return _y.Value(rows).ToArray();
    }
}
