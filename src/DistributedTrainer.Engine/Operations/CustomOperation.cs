using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Random;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Operations;

/// <summary>Room that a layer keeps for each row.</summary>
internal sealed record KeptRoom(Func<int, Span<float>> Values, int Columns);

/// <summary>A layer of an extension, leaf by leaf: so that no grouping of leaves changes what it computes, whatever that is.</summary>
/// <param name="layer">Computes.</param>
/// <param name="x">Its input.</param>
/// <param name="y">Its output.</param>
/// <param name="parameters">By their names within the layer.</param>
/// <param name="kept">Room from forward to backward.</param>
/// <param name="unread">Where the input's gradient goes that nobody needs; null: somebody does.</param>
/// <param name="number">The layer's number, which keys its random stream.</param>
internal sealed class CustomOperation(
    CustomLayer layer, Variable x, Variable y, Dictionary<string, ParameterSlot> parameters, Dictionary<string, KeptRoom> kept, Func<int, Span<float>>? unread, int number) : Operation
{
    public override void Forward(Pass pass)
    {
        if (!pass.Training)
        {
            layer.Forward(new LayerForward(this, pass, new LeafSegment(0, 0, pass.Rows)));
            return;
        }

        foreach (var leaf in pass.Segments)
        {
            layer.Forward(new LayerForward(this, pass, leaf));
        }
    }

    public override void Backward(Pass pass)
    {
        if (!y.NeedsGradient)
        {
            return;
        }

        for (var i = 0; i < pass.Segments.Length; i++)
        {
            foreach (var parameter in parameters.Values)
            {
                parameter.In(pass.Gradients[i]).Clear();
            }

            layer.Backward(new LayerBackward(this, pass, pass.Segments[i], pass.Gradients[i]));
        }
    }

    public ReadOnlySpan<float> X(Pass pass, LeafSegment leaf) => x.Value(pass.Rows).Slice(leaf.FirstRow * x.Columns, leaf.Rows * x.Columns);

    public Span<float> Y(Pass pass, LeafSegment leaf) => y.Value(pass.Rows).Slice(leaf.FirstRow * y.Columns, leaf.Rows * y.Columns);

    public ReadOnlySpan<float> Dy(Pass pass, LeafSegment leaf) => y.Gradient(pass.Rows).Slice(leaf.FirstRow * y.Columns, leaf.Rows * y.Columns);

    public Span<float> Dx(Pass pass, LeafSegment leaf) =>
        (unread is null ? x.Gradient(pass.Rows) : unread(pass.Rows)).Slice(leaf.FirstRow * x.Columns, leaf.Rows * x.Columns);

    public ReadOnlySpan<float> Parameter(Pass pass, string name) => pass.Parameter(Find(parameters, name, "parameter"));

    public Span<float> Gradient(AlignedBuffer gradient, string name) => Find(parameters, name, "parameter").In(gradient);

    public Span<float> Kept(Pass pass, LeafSegment leaf, string name)
    {
        var room = Find(kept, name, "room");
        return room.Values(pass.Rows).Slice(leaf.FirstRow * room.Columns, leaf.Rows * room.Columns);
    }

    public RandomStream Random(Pass pass, LeafSegment leaf) => new(pass.Seed, RandomPurpose.Extension, pass.Step, leaf.Leaf, number);

    private T Find<T>(Dictionary<string, T> all, string name, string what) => all.TryGetValue(name, out var found)
        ? found
        : throw new InvalidOperationException($"{layer.ExtensionName}: no {what} is called {name}. Declare it; declared are {string.Join(", ", all.Keys.DefaultIfEmpty("none"))}.");
}
