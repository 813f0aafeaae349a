using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;
using Xunit.Sdk;

namespace DistributedTrainer.Engine.Tests.Autograd;

/// <summary>Gradient against finite differences for every layer and loss; a new one gets a line here.</summary>
public sealed class GradientTests
{
    public static TheoryData<string> LayerNames => [.. LayerCases.Keys];

    public static TheoryData<string> LossNames => [.. LossCases.Keys];

    private static Dictionary<string, Action> LayerCases => new()
    {
        ["linear"] = static () => GradientCheck.Layers(new Shape(7), new LinearDefinition(5)),
        ["linear without bias"] = static () => GradientCheck.Layers(new Shape(3), new LinearDefinition(18, Bias: false)),
        ["linear of one unit and one input"] = static () => GradientCheck.Layers(new Shape(1), new LinearDefinition(1)),
        ["batch-norm of the global batch"] = static () => GradientCheck.Layers(new Shape(5), new BatchNormDefinition(Epsilon: 0.1f)),
        ["batch-norm of each leaf"] = static () => GradientCheck.Layers(new Shape(17), [5, 4, 6], new BatchNormDefinition(Epsilon: 0.1f, Sync: false)),
        ["batch-norm of leaves with a single row"] = static () => GradientCheck.Layers(new Shape(4), [1, 1, 3], new BatchNormDefinition(Epsilon: 0.1f, Sync: false)),
        ["relu"] = static () => GradientCheck.Layers(new Shape(30), new ActivationDefinition(Activation.Relu)),
        ["tanh"] = static () => GradientCheck.Layers(new Shape(19), new ActivationDefinition(Activation.Tanh)),
        ["sigmoid"] = static () => GradientCheck.Layers(new Shape(19), new ActivationDefinition(Activation.Sigmoid)),
        ["dropout"] = static () => GradientCheck.Layers(new Shape(19), new DropoutDefinition(0.4f)),
        ["dropout of nothing"] = static () => GradientCheck.Layers(new Shape(5), new DropoutDefinition(0)),
        ["a whole network"] = static () => GradientCheck.Layers(
            new Shape(4),
            new LinearDefinition(6),
            new BatchNormDefinition(Epsilon: 0.1f),
            new ActivationDefinition(Activation.Tanh),
            new DropoutDefinition(0.2f),
            new LinearDefinition(5),
            new ActivationDefinition(Activation.Sigmoid),
            new LinearDefinition(2)),
    };

    private static Dictionary<string, Action> LossCases => new()
    {
        ["cross-entropy"] = static () => GradientCheck.Loss(new CrossEntropyLoss(), columns: 5),
        ["cross-entropy of many classes"] = static () => GradientCheck.Loss(new CrossEntropyLoss(), columns: 19),
        ["mean-squared-error"] = static () => GradientCheck.Loss(new MeanSquaredErrorLoss(), columns: 3),
        ["mean-squared-error of one output"] = static () => GradientCheck.Loss(new MeanSquaredErrorLoss(), columns: 1),
    };

    [Theory]
    [MemberData(nameof(LayerNames))]
    public void The_gradient_of_a_layer_agrees_with_finite_differences(string name) => LayerCases[name]();

    [Theory]
    [MemberData(nameof(LossNames))]
    public void The_gradient_of_a_loss_agrees_with_finite_differences(string name) => LossCases[name]();

    [Fact]
    public void The_check_finds_a_loss_whose_gradient_is_half_of_it()
    {
        var problem = Assert.Throws<XunitException>(static () => GradientCheck.Loss(new HalfGradientLoss(), columns: 3));
        Assert.Contains("finite differences give", problem.Message, StringComparison.Ordinal);
    }

    private sealed class HalfGradientLoss : Loss
    {
        public override string Name => "half-gradient";

        public override LossTargets Targets => LossTargets.Values;

        public override int? OutputsFor(int targets) => targets;

        private protected override void ComputeRows(ReadOnlySpan<float> z, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, Span<float> dz, Span<float> losses)
        {
            new MeanSquaredErrorLoss().Compute(z, labels, targets, dz, losses);
            for (var i = 0; i < dz.Length; i++)
            {
                dz[i] /= 2;
            }
        }
    }
}
