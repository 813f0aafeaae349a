using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Operations;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Layers;

/// <summary>Which function an activation layer applies.</summary>
public enum Activation
{
    /// <summary>max(x, 0)</summary>
    Relu,

    /// <summary>tanh x</summary>
    Tanh,

    /// <summary>1 / (1 + e^−x)</summary>
    Sigmoid,
}

/// <summary>y = f(x), element by element.</summary>
public sealed record ActivationDefinition(Activation Function) : LayerDefinition
{
    internal override Shape Declare(ModelDeclaration model, Shape input) => input;

    internal override Variable Build(ModelGraph graph, Variable x)
    {
        var y = graph.Graph.Output(x.Shape, x.NeedsGradient);
        graph.Graph.Add(
            Function switch
            {
                Activation.Relu => new ReluOperation(x, y),
                Activation.Tanh => new TanhOperation(x, y),
                Activation.Sigmoid => new SigmoidOperation(x, y),
                _ => throw new ArgumentOutOfRangeException(nameof(graph), $"activation: {Function} is unknown."),
            },
            x);
        return y;
    }
}

/// <summary>Inverted dropout: each element is 0 with this probability in training, the others are scaled by 1 / (1 − rate).</summary>
/// <param name="Rate">From 0 to below 1.</param>
public sealed record DropoutDefinition(float Rate) : LayerDefinition
{
    internal override Shape Declare(ModelDeclaration model, Shape input) =>
        Rate is >= 0 and < 1 ? input : throw new ArgumentException($"dropout (layer {model.Layer}): the rate is {Rate}, it must be from 0 to below 1.");

    internal override Variable Build(ModelGraph graph, Variable x)
    {
        var y = graph.Graph.Output(x.Shape, x.NeedsGradient);
        graph.Graph.Add(new DropoutOperation(x, y, graph.Graph.Room(x.Columns), graph.Layer, Rate), x);
        return y;
    }
}
