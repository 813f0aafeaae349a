using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Activations;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>activations.json: 1e-5 relative, 1e-6 absolute.</summary>
public sealed class ActivationGoldenTests
{
    private const string File = "activations";

    public static TheoryData<int, string> Rows => GoldenFile.Rows(File);

    [Theory]
    [MemberData(nameof(Rows))]
    public void Value_and_derivative_agree(int index, string key)
    {
        var golden = GoldenFile.Cases(File)[index];
        var definition = Build(golden);
        golden.AllRead();

        // A list of numbers is one row; the last dimension of a matrix is that of softmax.
        var x = golden.Array("x");
        var (y, dx) = ActivationRun.Run(definition, new Shape(x.Sizes[^1]), x.Floats, golden.Array("dy").Floats);
        AssertBits.Near(golden.Array("y").Values, y, 1e-5, 1e-6, $"y of {key}");
        AssertBits.Near(golden.Array("dx").Values, dx, 1e-5, 1e-6, $"dx of {key}");
    }

    private static ActivationDefinition Build(GoldenCase golden) => golden.Name switch
    {
        "sigmoid" => new ActivationDefinition(Activation.Sigmoid),
        "tanh" => new ActivationDefinition(Activation.Tanh),
        "relu" => new ActivationDefinition(Activation.Relu),
        "leaky-relu" or "leaky-relu-steep" => new ActivationDefinition(Activation.LeakyRelu, Slope: (float)golden.Parameter("slope")),
        "elu" or "elu-half" => new ActivationDefinition(Activation.Elu, Alpha: (float)golden.Parameter("alpha")),
        "softplus" => new ActivationDefinition(Activation.Softplus),
        "gelu" => new ActivationDefinition(Activation.Gelu),
        "silu" => new ActivationDefinition(Activation.Silu),
        "softmax" => new ActivationDefinition(Activation.Softmax),
        "log-softmax" => new ActivationDefinition(Activation.LogSoftmax),
        _ => throw golden.Unknown("the name"),
    };
}
