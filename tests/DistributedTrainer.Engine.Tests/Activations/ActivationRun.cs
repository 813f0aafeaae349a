using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Tests.Activations;

/// <summary>One activation layer, run forward and backward as a model does it.</summary>
internal static class ActivationRun
{
    /// <summary>All element-wise functions, leaky-relu and elu with parameters of their own too.</summary>
    public static readonly ActivationDefinition[] ElementWise =
    [
        new(Activation.Relu), new(Activation.Tanh), new(Activation.Sigmoid), new(Activation.LeakyRelu), new(Activation.LeakyRelu, Slope: 0.2f),
        new(Activation.Elu), new(Activation.Elu, Alpha: 0.5f), new(Activation.Softplus), new(Activation.Gelu), new(Activation.Silu),
    ];

    public static readonly ActivationDefinition[] All = [.. ElementWise, new(Activation.Softmax), new(Activation.LogSoftmax)];

    public static TheoryData<int> Numbers(ActivationDefinition[] definitions) => [.. Enumerable.Range(0, definitions.Length)];

    /// <summary>y = f(x) and dx for rows of one shape.</summary>
    public static (float[] Y, float[] Dx) Run(ActivationDefinition definition, Shape row, float[] x, float[] dy)
    {
        var rows = row.Elements == 0 ? 0 : x.Length / row.Elements;
        var model = new Model(new ModelDefinition(row, [definition], new InitialWeights(InitialWeightsKind.Zeros)));
        var graph = new ModelGraph(model, Math.Max(1, rows));
        var input = graph.Graph.Input(row, needsGradient: true);
        var output = definition.Build(graph, input);
        var pass = new Pass { Rows = rows, Training = true };
        x.CopyTo(input.Value(rows));
        dy.CopyTo(output.Gradient(rows));
        graph.Graph.Forward(pass);
        graph.Graph.Backward(pass);
        return (output.Value(rows).ToArray(), input.Gradient(rows).ToArray());
    }

    public static float[] Forward(ActivationDefinition definition, Shape row, float[] x) => Run(definition, row, x, new float[x.Length]).Y;

    /// <summary>Numbers from a fixed seed, uniform in [low, high].</summary>
    public static float[] Uniform(int length, float low, float high, int seed)
    {
        var random = new System.Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => low + (high - low) * random.NextSingle())];
    }
}
