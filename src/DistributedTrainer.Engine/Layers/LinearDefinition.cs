using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Operations;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Layers;

/// <summary>y = x · wᵀ + b with w(outputs, inputs).</summary>
/// <param name="Outputs">Units.</param>
/// <param name="Bias">Whether b is there.</param>
public sealed record LinearDefinition(int Outputs, bool Bias = true) : LayerDefinition
{
    internal override Shape Declare(ModelDeclaration model, Shape input)
    {
        if (input.Rank != 1)
        {
            throw new ArgumentException($"linear (layer {model.Layer}): a row has shape {input}, it must be flat. Put a flatten layer before it.");
        }

        if (Outputs < 1)
        {
            throw new ArgumentException($"linear (layer {model.Layer}): {Outputs} outputs were asked for, it must be at least 1.");
        }

        model.Parameter("weight", new Shape(Outputs, input[0]), decays: true, new InitialValue(null, input[0], Outputs));
        if (Bias)
        {
            model.Parameter("bias", new Shape(Outputs), decays: false, new InitialValue(0));
        }

        return new Shape(Outputs);
    }

    internal override Variable Build(ModelGraph graph, Variable x) => Build(graph, x, null);

    /// <summary>The layer with an activation fused into it, or without.</summary>
    internal Variable Build(ModelGraph graph, Variable x, ActivationDefinition? activation)
    {
        var y = graph.Graph.Output(new Shape(Outputs));
        y.Activation = activation?.Fuse(y);
        graph.Graph.Add(new LinearOperation(x, graph.Parameter("weight"), Bias ? graph.Parameter("bias") : null, y), x);
        return y;
    }
}
