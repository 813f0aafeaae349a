using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Operations;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Layers;

/// <summary>y = γ (x − mean) / √(variance + ε) + β, column by column.</summary>
/// <param name="Momentum">Weight of the new batch in the running statistics.</param>
/// <param name="Epsilon">ε.</param>
/// <param name="Sync">Statistics of the global batch; otherwise of each leaf.</param>
public sealed record BatchNormDefinition(float Momentum = 0.1f, float Epsilon = 1e-5f, bool Sync = true) : LayerDefinition
{
    internal override Shape Declare(ModelDeclaration model, Shape input)
    {
        if (input.Rank != 1)
        {
            throw new ArgumentException($"batch-norm (layer {model.Layer}): a row has shape {input}, it must be flat.");
        }

        model.Parameter("weight", input, decays: false, new InitialValue(1));
        model.Parameter("bias", input, decays: false, new InitialValue(0));
        model.BatchNorm(input[0], Sync, Momentum, Epsilon);
        return input;
    }

    internal override Variable Build(ModelGraph graph, Variable x)
    {
        var y = graph.Graph.Output(x.Shape);
        var room = graph.Graph.Room(x.Columns);
        graph.Graph.Add(new BatchNormOperation(x, graph.Parameter("weight"), graph.Parameter("bias"), y, graph.NextBatchNorm(), room), x);
        return y;
    }
}
