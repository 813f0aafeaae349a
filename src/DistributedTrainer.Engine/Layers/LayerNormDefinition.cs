using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Operations;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Layers;

/// <summary>
/// y = γ (x − mean) / √(variance + ε) + β with mean and variance of each flat row; the same in training and evaluation.
/// As torch.nn.LayerNorm. Source: Ba, Kiros, Hinton, "Layer normalization", 2016.
/// </summary>
/// <param name="Epsilon">ε.</param>
public sealed record LayerNormDefinition(float Epsilon = 1e-5f) : LayerDefinition
{
    internal override Shape Declare(ModelDeclaration model, Shape input)
    {
        if (input.Rank != 1)
        {
            throw new ArgumentException($"layer-norm (layer {model.Layer}): a row has shape {input}, it must be flat. Put a flatten layer before it.");
        }

        model.Parameter("weight", input, decays: false, new InitialValue(1));
        model.Parameter("bias", input, decays: false, new InitialValue(0));
        return input;
    }

    internal override Variable Build(ModelGraph graph, Variable x)
    {
        var y = graph.Graph.Output(x.Shape);
        graph.Graph.Add(
            new LayerNormOperation(x, graph.Parameter("weight"), graph.Parameter("bias"), y, graph.Graph.Room(x.Columns), graph.Graph.Room(1), Epsilon), x);
        return y;
    }
}
