using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Tests.Support;

/// <summary>
/// A layer that does nothing. Between two others it keeps them from being computed as one operation. Layers behind it have
/// other numbers, so dropout has other masks.
/// </summary>
internal sealed record PassThroughDefinition : LayerDefinition
{
    /// <summary>The layers with such a one between any two of them.</summary>
    public static LayerDefinition[] Between(IEnumerable<LayerDefinition> layers) =>
        [.. layers.SelectMany(static layer => new[] { layer, new PassThroughDefinition() })];

    internal override Shape Declare(ModelDeclaration model, Shape input) => input;

    internal override Variable Build(ModelGraph graph, Variable x) => graph.Graph.Reshape(x, x.Shape);
}
