using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Operations;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Layers;

/// <summary>
/// y = γ (x − mean) / √(variance + ε) + β, column by column of a flat row, or channel by channel of an image (C,H,W):
/// then the statistics are over rows and positions. As torch.nn.BatchNorm1d and BatchNorm2d.
/// Source: Ioffe, Szegedy, "Batch normalization", 2015.
/// </summary>
/// <param name="Momentum">Weight of the new batch in the running statistics, from 0 to 1. Default 0.1.</param>
/// <param name="Epsilon">ε, above 0. Default 1e-5.</param>
/// <param name="Sync">Statistics of the global batch; otherwise of each leaf. Default true.</param>
public sealed record BatchNormDefinition(float Momentum = 0.1f, float Epsilon = 1e-5f, bool Sync = true) : LayerDefinition
{
    internal override Shape Declare(ModelDeclaration model, Shape input)
    {
        if (input.Rank is not (1 or 3))
        {
            throw new ArgumentException(
                $"batch-norm (layer {model.Layer}): a row has shape {input}, it must be flat or an image (channels x height x width). Put a flatten layer before it.");
        }

        if (!(Momentum is >= 0 and <= 1))
        {
            throw new ArgumentException($"batch-norm (layer {model.Layer}): momentum is {Momentum}, it must be from 0 to 1.");
        }

        if (!(Epsilon > 0) || !float.IsFinite(Epsilon))
        {
            throw new ArgumentException($"batch-norm (layer {model.Layer}): epsilon is {Epsilon}, it must be above 0.");
        }

        var channels = new Shape(input[0]);
        model.Parameter("weight", channels, decays: false, new InitialValue(1));
        model.Parameter("bias", channels, decays: false, new InitialValue(0));
        model.BatchNorm(input[0], input.Elements / input[0], Sync, Momentum, Epsilon);
        return input;
    }

    internal override Variable Build(ModelGraph graph, Variable x)
    {
        var y = graph.Graph.Output(x.Shape);
        var (gamma, beta, slot) = (graph.Parameter("weight"), graph.Parameter("bias"), graph.NextBatchNorm());
        graph.Graph.Add(
            slot.Positions == 1
                ? new FlatBatchNormOperation(x, gamma, beta, y, slot, graph.Graph.Room(x.Columns))
                : new ImageBatchNormOperation<Identity>(x, gamma, beta, y, slot, default),
            x);
        return y;
    }

    /// <summary>Whether relu, and max-pooling behind it, can be computed with this layer: it normalises images.</summary>
    internal static bool TakesRelu(Variable x) => x.Shape.Rank == 3 && x.Columns > x.Shape[0];

    /// <summary>The layer with relu, and max-pooling if there is one, fused into it.</summary>
    /// <returns>The output, and relu, for those who watch its units.</returns>
    internal (Variable Y, IElementWise Relu) Build(ModelGraph graph, Variable x, MaxPool2dDefinition? pool)
    {
        var (gamma, beta, slot) = (graph.Parameter("weight"), graph.Parameter("bias"), graph.NextBatchNorm());
        if (pool is null)
        {
            var y = graph.Graph.Output(x.Shape);
            graph.Graph.Add(new ImageBatchNormOperation<Relu>(x, gamma, beta, y, slot, default), x);
            return (y, new FusedActivation<Relu>(default, y));
        }

        var shape = pool.Windows(x);
        var (activated, pooled) = (graph.Graph.Output(x.Shape, needsGradient: false), graph.Graph.Output(new Shape(x.Shape[0], shape.OutputHeight, shape.OutputWidth)));
        var operation = new NormPoolOperation<Relu>(x, gamma, beta, activated, pooled, slot, default, shape, graph.Graph.Room(pooled.Columns));
        graph.Graph.Add(operation, x);
        return (pooled, operation);
    }
}
