using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Operations;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Layers;

/// <summary>
/// A residual block, y = f(x) + s(x): f are the layers of the body, s those of the shortcut, which is x itself where
/// there are none. Both must give rows of the same shape. The gradient reaches x by both ways: dx is the sum.
/// Source: He et al., "Deep residual learning for image recognition", 2016.
/// <para>
/// Parameters are named as in the state_dict of this PyTorch module as element 3 of an nn.Sequential ("3.body.0.weight",
/// "3.shortcut.0.weight"):
/// <code>
/// class Residual(nn.Module):
///     def __init__(self, body, shortcut=()):
///         super().__init__()
///         self.body = nn.Sequential(*body)
///         self.shortcut = nn.Sequential(*shortcut)
///
///     def forward(self, x):
///         return self.body(x) + self.shortcut(x)
/// </code>
/// </para>
/// </summary>
/// <param name="Layers">The body, at least one layer.</param>
/// <param name="Shortcut">The shortcut, such as a 1x1 convolution that changes the shape; null for none.</param>
public sealed record ResidualDefinition(IReadOnlyList<LayerDefinition> Layers, IReadOnlyList<LayerDefinition>? Shortcut = null) : LayerDefinition
{
    internal override Shape Declare(ModelDeclaration model, Shape input)
    {
        if (Layers.Count == 0)
        {
            throw new ArgumentException($"residual (layer {model.Layer}): the block has no layers. Give it at least one.");
        }

        var body = model.Sequence($"{model.Layer}.body.", Layers, input);
        var shortcut = model.Sequence($"{model.Layer}.shortcut.", Shortcut ?? [], input);
        return body == shortcut
            ? body
            : throw new ArgumentException(
                $"residual (layer {model.Layer}): the body makes rows of shape {body} from {input}, the shortcut makes {shortcut}; they must be the same. "
                + "Change the last layer of the body, or give the block a shortcut such as a 1x1 convolution with the outputs and strides of the body.");
    }

    internal override Variable Build(ModelGraph graph, Variable x)
    {
        var left = graph.Graph.Output(x.Shape, x.NeedsGradient);
        var right = graph.Graph.Output(x.Shape, x.NeedsGradient);
        graph.Graph.Add(new CopyOperation(x, left, right), x);
        var path = graph.Path;
        var body = graph.Sequence($"{path}.body.", Layers, left);
        var shortcut = graph.Sequence($"{path}.shortcut.", Shortcut ?? [], right);
        var y = graph.Graph.Output(body.Shape, body.NeedsGradient || shortcut.NeedsGradient);
        graph.Graph.Add(new AddOperation(body, shortcut, y), body, shortcut);
        return y;
    }
}
