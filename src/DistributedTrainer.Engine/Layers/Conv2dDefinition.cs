using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Operations;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Layers;

/// <summary>
/// A convolution with square kernels, y(o) = Σ_c w(o,c) ∗ x(c) + b(o): a row (C,H,W) becomes (outputs, OH, OW),
/// OH = ⌊(H + 2 padding − kernel) / stride⌋ + 1. Weights are (outputs, C, kernel, kernel), as in torch.nn.Conv2d.
/// Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998.
/// </summary>
/// <param name="Outputs">Output channels.</param>
/// <param name="Kernel">Height and width of the kernel.</param>
/// <param name="Stride">Step from one output to the next.</param>
/// <param name="Padding">Zeros on each side of the image.</param>
/// <param name="Bias">Whether b is there.</param>
public sealed record Conv2dDefinition(int Outputs, int Kernel, int Stride = 1, int Padding = 0, bool Bias = true) : LayerDefinition
{
    internal override Shape Declare(ModelDeclaration model, Shape input)
    {
        if (Outputs < 1 || Padding < 0)
        {
            throw new ArgumentException($"conv2d (layer {model.Layer}): outputs is {Outputs} and padding {Padding}; outputs must be at least 1, padding at least 0.");
        }

        var output = Images.Windows("conv2d", model.Layer, input, Outputs, Kernel, Stride, Padding);
        var (inputs, outputs) = checked((input[0] * Kernel * Kernel, Outputs * Kernel * Kernel));
        model.Parameter("weight", new Shape(Outputs, input[0], Kernel, Kernel), decays: true, new InitialValue(null, inputs, outputs));
        if (Bias)
        {
            model.Parameter("bias", new Shape(Outputs), decays: false, new InitialValue(0));
        }

        return output;
    }

    internal override Variable Build(ModelGraph graph, Variable x)
    {
        var kernel = new Convolution(new ConvolutionShape(x.Shape[0], x.Shape[1], x.Shape[2], Outputs, Kernel, Stride, Padding));
        var y = graph.Graph.Output(new Shape(Outputs, kernel.Shape.OutputHeight, kernel.Shape.OutputWidth));
        graph.Graph.Add(new ConvolutionOperation(x, graph.Parameter("weight"), Bias ? graph.Parameter("bias") : null, y, kernel), x);
        return y;
    }
}
