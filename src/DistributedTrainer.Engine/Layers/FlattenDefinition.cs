using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Layers;

/// <summary>A row of any shape becomes flat, (C,H,W) → (C·H·W) in that order; costs nothing. As torch.nn.Flatten.</summary>
public sealed record FlattenDefinition : LayerDefinition
{
    internal override Shape Declare(ModelDeclaration model, Shape input) => new(input.Elements);

    internal override Variable Build(ModelGraph graph, Variable x) => graph.Graph.Reshape(x, new Shape(x.Columns));
}
