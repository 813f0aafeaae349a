using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Operations;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Layers;

/// <summary>
/// The largest element of each window of an image (C,H,W) → (C,OH,OW), OH = ⌊(H − kernel) / stride⌋ + 1. The gradient
/// goes to the first of equal ones; a NaN passes. As torch.nn.MaxPool2d without padding.
/// </summary>
/// <param name="Kernel">Height and width of a window.</param>
/// <param name="Stride">Step from one window to the next; 0 takes the kernel.</param>
public sealed record MaxPool2dDefinition(int Kernel, int Stride = 0) : LayerDefinition
{
    internal override Shape Declare(ModelDeclaration model, Shape input) => Pools.Declare("max-pool2d", model, input, Kernel, Stride);

    internal override Variable Build(ModelGraph graph, Variable x)
    {
        var (shape, y) = Pools.Output(graph, x, Kernel, Stride);
        graph.Graph.Add(new MaxPoolOperation(x, y, graph.Graph.Room(y.Columns), shape), x);
        return y;
    }

    /// <summary>The windows over the planes of x.</summary>
    internal PoolingShape Windows(Variable x) => Pools.Windows(x, Kernel, Stride);
}

/// <summary>
/// The mean of each window of an image (C,H,W) → (C,OH,OW), OH = ⌊(H − kernel) / stride⌋ + 1. As torch.nn.AvgPool2d
/// without padding.
/// </summary>
/// <param name="Kernel">Height and width of a window.</param>
/// <param name="Stride">Step from one window to the next; 0 takes the kernel.</param>
public sealed record AvgPool2dDefinition(int Kernel, int Stride = 0) : LayerDefinition
{
    internal override Shape Declare(ModelDeclaration model, Shape input) => Pools.Declare("avg-pool2d", model, input, Kernel, Stride);

    internal override Variable Build(ModelGraph graph, Variable x)
    {
        var (shape, y) = Pools.Output(graph, x, Kernel, Stride);
        graph.Graph.Add(new AveragePoolOperation(x, y, shape), x);
        return y;
    }
}

/// <summary>The mean of each channel, (C,H,W) → (C,1,1). As torch.nn.AdaptiveAvgPool2d(1).</summary>
public sealed record GlobalAvgPool2dDefinition : LayerDefinition
{
    internal override Shape Declare(ModelDeclaration model, Shape input)
    {
        Images.Expect("global-avg-pool2d", model.Layer, input);
        return new Shape(input[0], 1, 1);
    }

    internal override Variable Build(ModelGraph graph, Variable x)
    {
        var y = graph.Graph.Output(new Shape(x.Shape[0], 1, 1), x.NeedsGradient);
        graph.Graph.Add(new GlobalAveragePoolOperation(x, y), x);
        return y;
    }
}

/// <summary>What the pooling layers have in common.</summary>
internal static class Pools
{
    public static Shape Declare(string name, ModelDeclaration model, Shape input, int kernel, int stride)
    {
        if (stride < 0)
        {
            throw new ArgumentException($"{name} (layer {model.Layer}): stride is {stride}; it must be at least 1, or 0 for the kernel's size.");
        }

        Images.Expect(name, model.Layer, input);
        return Images.Windows(name, model.Layer, input, input[0], kernel, stride == 0 ? kernel : stride, 0);
    }

    public static PoolingShape Windows(Variable x, int kernel, int stride) => new(x.Shape[1], x.Shape[2], kernel, stride == 0 ? kernel : stride);

    public static (PoolingShape Shape, Variable Y) Output(ModelGraph graph, Variable x, int kernel, int stride)
    {
        var shape = Windows(x, kernel, stride);
        return (shape, graph.Graph.Output(new Shape(x.Shape[0], shape.OutputHeight, shape.OutputWidth), x.NeedsGradient));
    }
}
