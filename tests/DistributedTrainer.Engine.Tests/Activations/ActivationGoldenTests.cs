using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Golden;

namespace DistributedTrainer.Engine.Tests.Activations;

public class ActivationGoldenTests
{
    public static TheoryData<int, string> Cases => GoldenFile.Names("activations");

    [Theory]
    [MemberData(nameof(Cases))]
    public void Value_and_gradient_are_those_of_the_reference(int index, string name)
    {
        var golden = GoldenFile.Cases("activations")[index];
        var parameters = new GoldenParameters(golden.GetProperty("parameters"));
        var definition = name switch
        {
            "sigmoid" => new ActivationDefinition(Activation.Sigmoid),
            "tanh" => new ActivationDefinition(Activation.Tanh),
            "relu" => new ActivationDefinition(Activation.Relu),
            "leaky-relu" or "leaky-relu-steep" => new ActivationDefinition(Activation.LeakyRelu, Slope: (float)parameters.Get("slope")),
            "elu" or "elu-half" => new ActivationDefinition(Activation.Elu, Alpha: (float)parameters.Get("alpha")),
            "softplus" => new ActivationDefinition(Activation.Softplus),
            "gelu" => new ActivationDefinition(Activation.Gelu),
            "silu" => new ActivationDefinition(Activation.Silu),
            "softmax" => new ActivationDefinition(Activation.Softmax),
            "log-softmax" => new ActivationDefinition(Activation.LogSoftmax),
            _ => throw new ArgumentException($"activations.json: the case {name} is unknown to the test."),
        };
        parameters.AllRead();

        var x = golden.GetProperty("x");
        var (y, dx) = ActivationRun.Run(definition, new Shape(x.Shape()[^1]), x.Floats(), golden.GetProperty("dy").Floats());

        GoldenFile.Near(golden.GetProperty("y").Doubles(), y, "y");
        GoldenFile.Near(golden.GetProperty("dx").Doubles(), dx, "dx");
    }
}
