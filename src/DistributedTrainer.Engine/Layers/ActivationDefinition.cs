using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Operations;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Layers;

/// <summary>
/// Which function an activation layer applies. A new one needs its value and derivative in Kernels/ActivationFunctions.cs,
/// a member here and a line in <see cref="ActivationDefinition"/>.
/// </summary>
public enum Activation
{
    /// <summary>max(x, 0)</summary>
    Relu,

    /// <summary>tanh x</summary>
    Tanh,

    /// <summary>σ(x) = 1 / (1 + e^−x)</summary>
    Sigmoid,

    /// <summary>x where x &gt; 0, else slope · x</summary>
    LeakyRelu,

    /// <summary>x where x &gt; 0, else α (e^x − 1)</summary>
    Elu,

    /// <summary>log(1 + e^x)</summary>
    Softplus,

    /// <summary>x Φ(x), with the normal distribution Φ; exact, not the tanh form</summary>
    Gelu,

    /// <summary>x σ(x)</summary>
    Silu,

    /// <summary>e^x_j / Σ e^x over the last dimension</summary>
    Softmax,

    /// <summary>x_j − log Σ e^x over the last dimension</summary>
    LogSoftmax,
}

/// <summary>y = f(x), element by element; softmax and log-softmax over the last dimension. The output has the input's shape.</summary>
/// <param name="Function">f.</param>
/// <param name="Slope">Slope of leaky-relu where x ≤ 0; the others do not read it. Default 0.01.</param>
/// <param name="Alpha">α of elu; the others do not read it. Default 1.</param>
public sealed record ActivationDefinition(Activation Function, float Slope = 0.01f, float Alpha = 1f) : LayerDefinition
{
    internal override Shape Declare(ModelDeclaration model, Shape input)
    {
        if (!float.IsFinite(Slope) || !float.IsFinite(Alpha))
        {
            throw new ArgumentException($"{Function} (layer {model.Layer}): slope {Slope} and alpha {Alpha} must be finite numbers.");
        }

        // An element of a softmax has no slope of its own.
        if (Function is not (Activation.Softmax or Activation.LogSoftmax))
        {
            model.Activation(Function, input);
        }

        return input;
    }

    internal override Variable Build(ModelGraph graph, Variable x)
    {
        var y = graph.Graph.Output(x.Shape, x.NeedsGradient);
        var operation = Operation(x, y);
        graph.Graph.Add(operation, x);
        if (operation is IElementWise function)
        {
            graph.Graph.Activations.Add(new ActivationTap(graph.NextActivation(), function));
        }

        return y;
    }

    /// <summary>Whether the function can be computed by the linear layer before it: its derivative needs its output alone.</summary>
    internal bool CanBeFused => Function is Activation.Relu or Activation.Tanh or Activation.Sigmoid;

    /// <summary>The function as a part of the linear layer that makes y.</summary>
    internal FusedActivation Fuse(Variable y) => Function switch
    {
        Activation.Relu => new FusedActivation<Relu>(default, y),
        Activation.Tanh => new FusedActivation<Tanh>(default, y),
        Activation.Sigmoid => new FusedActivation<Sigmoid>(default, y),
        _ => throw new InvalidOperationException($"activation: {Function} cannot be fused."),
    };

    private Operation Operation(Variable x, Variable y) => Function switch
    {
        Activation.Relu => new ActivationOperation<Relu>(default, x, y),
        Activation.Tanh => new ActivationOperation<Tanh>(default, x, y),
        Activation.Sigmoid => new ActivationOperation<Sigmoid>(default, x, y),
        Activation.LeakyRelu => new ActivationOperation<LeakyRelu>(new LeakyRelu(Slope), x, y),
        Activation.Elu => new ActivationOperation<Elu>(new Elu(Alpha), x, y),
        Activation.Softplus => new ActivationOperation<Softplus>(default, x, y),
        Activation.Gelu => new ActivationOperation<Gelu>(default, x, y),
        Activation.Silu => new ActivationOperation<Silu>(default, x, y),
        Activation.Softmax => new SoftmaxOperation(x, y, LastDimension(x.Shape)),
        Activation.LogSoftmax => new LogSoftmaxOperation(x, y, LastDimension(x.Shape)),
        _ => throw new ArgumentException($"activation: {Function} is unknown."),
    };

    private static int LastDimension(Shape shape) => shape.Rank == 0 ? 1 : shape[shape.Rank - 1];
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
