using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Losses;
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
        ["batch-norm of images"] = static () => GradientCheck.Layers(new Shape(2, 3, 3), new BatchNormDefinition(Epsilon: 0.1f)),
        ["batch-norm of images, each leaf"] = static () => GradientCheck.Layers(new Shape(2, 3, 3), new BatchNormDefinition(Epsilon: 0.1f, Sync: false)),
        ["batch-norm of images with relu"] = static () => GradientCheck.Layers(new Shape(2, 3, 5), new BatchNormDefinition(Epsilon: 0.1f), new ActivationDefinition(Activation.Relu)),
        ["batch-norm of images with relu and max-pool2d"] = static () => GradientCheck.Layers(
            new Shape(2, 4, 4), new BatchNormDefinition(Epsilon: 0.1f), new ActivationDefinition(Activation.Relu), new MaxPool2dDefinition(2)),
        ["batch-norm of images, each leaf, with relu and max-pool2d"] = static () => GradientCheck.Layers(
            new Shape(2, 5, 5), new BatchNormDefinition(Epsilon: 0.1f, Sync: false), new ActivationDefinition(Activation.Relu), new MaxPool2dDefinition(3, 2)),
        ["layer-norm"] = static () => GradientCheck.Layers(new Shape(19), new LayerNormDefinition(0.1f)),
        ["relu"] = static () => GradientCheck.Layers(new Shape(30), new ActivationDefinition(Activation.Relu)),
        ["tanh"] = static () => GradientCheck.Layers(new Shape(19), new ActivationDefinition(Activation.Tanh)),
        ["sigmoid"] = static () => GradientCheck.Layers(new Shape(19), new ActivationDefinition(Activation.Sigmoid)),
        ["leaky-relu"] = static () => GradientCheck.Layers(new Shape(30), new ActivationDefinition(Activation.LeakyRelu)),
        ["leaky-relu with slope"] = static () => GradientCheck.Layers(new Shape(30), new ActivationDefinition(Activation.LeakyRelu, Slope: 0.3f)),
        ["elu"] = static () => GradientCheck.Layers(new Shape(19), new ActivationDefinition(Activation.Elu)),
        ["elu with alpha"] = static () => GradientCheck.Layers(new Shape(30), new ActivationDefinition(Activation.Elu, Alpha: 0.5f)),
        ["softplus"] = static () => GradientCheck.Layers(new Shape(19), new ActivationDefinition(Activation.Softplus)),
        ["gelu"] = static () => GradientCheck.Layers(new Shape(19), new ActivationDefinition(Activation.Gelu)),
        ["silu"] = static () => GradientCheck.Layers(new Shape(19), new ActivationDefinition(Activation.Silu)),
        ["softmax"] = static () => GradientCheck.Layers(new Shape(7), new ActivationDefinition(Activation.Softmax)),
        ["softmax of many classes"] = static () => GradientCheck.Layers(new Shape(19), new ActivationDefinition(Activation.Softmax)),
        ["log-softmax"] = static () => GradientCheck.Layers(new Shape(7), new ActivationDefinition(Activation.LogSoftmax)),
        ["softmax over the last dimension"] = static () => GradientCheck.Layers(new Shape(2, 3, 4), new ActivationDefinition(Activation.Softmax)),
        ["conv2d"] = static () => GradientCheck.Layers(new Shape(2, 5, 4), new Conv2dDefinition(3, 3, Padding: 1)),
        ["conv2d with stride"] = static () => GradientCheck.Layers(new Shape(2, 6, 5), new Conv2dDefinition(3, 3, Stride: 2, Padding: 1, Bias: false)),
        ["conv2d of two layers"] = static () => GradientCheck.Layers(
            new Shape(1, 6, 6), new Conv2dDefinition(2, 3), new ActivationDefinition(Activation.Tanh), new Conv2dDefinition(2, 2, 2)),
        ["max-pool2d"] = static () => GradientCheck.Layers(new Shape(2, 5, 5), new MaxPool2dDefinition(2)),
        ["max-pool2d, windows that overlap"] = static () => GradientCheck.Layers(new Shape(2, 7, 7), new MaxPool2dDefinition(3, 2)),
        ["avg-pool2d"] = static () => GradientCheck.Layers(new Shape(2, 5, 5), new AvgPool2dDefinition(3, 1)),
        ["global-avg-pool2d"] = static () => GradientCheck.Layers(new Shape(3, 4, 5), new GlobalAvgPool2dDefinition(), new FlattenDefinition(), new LinearDefinition(2)),
        ["residual"] = static () => GradientCheck.Layers(
            new Shape(4), new ResidualDefinition([new LinearDefinition(5), new ActivationDefinition(Activation.Tanh), new LinearDefinition(4)])),
        ["residual with shortcut"] = static () => GradientCheck.Layers(
            new Shape(2, 4, 4),
            new ResidualDefinition(
                [new Conv2dDefinition(3, 3, 2, 1), new BatchNormDefinition(Epsilon: 0.1f), new DropoutDefinition(0.3f)], [new Conv2dDefinition(3, 1, 2)])),
        ["residual in residual"] = static () => GradientCheck.Layers(
            new Shape(3), new ResidualDefinition([new ResidualDefinition([new LinearDefinition(3)]), new ActivationDefinition(Activation.Sigmoid)])),
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
        ["cross-entropy with label smoothing"] = static () => GradientCheck.Loss(new CrossEntropyLoss(0.1f), columns: 5),
        ["kl-divergence"] = static () => GradientCheck.Loss(new KlDivergenceLoss(LossTargets.Values), columns: 5, targets: Distributions(8, 5)),
        ["kl-divergence from labels"] = static () => GradientCheck.Loss(new KlDivergenceLoss(), columns: 5),
        ["multiclass-perceptron"] = static () => GradientCheck.Loss(new MulticlassPerceptronLoss(), columns: 5),
        ["multiclass-hinge"] = static () => GradientCheck.Loss(new MulticlassHingeLoss(), columns: 5),
        ["perceptron"] = static () => GradientCheck.Loss(new PerceptronLoss(), columns: 1, labels: Numbers.Below(8, 2, 14)),
        ["hinge"] = static () => GradientCheck.Loss(new HingeLoss(), columns: 1, labels: Numbers.Below(8, 2, 14)),
        ["logistic"] = static () => GradientCheck.Loss(new LogisticLoss(), columns: 1, labels: Numbers.Below(8, 2, 14)),
        ["binary-cross-entropy"] = static () => GradientCheck.Loss(new BinaryCrossEntropyLoss(), columns: 1, labels: Numbers.Below(8, 2, 14)),
        ["mean-absolute-error"] = static () => GradientCheck.Loss(new MeanAbsoluteErrorLoss(), columns: 3),
        ["huber"] = static () => GradientCheck.Loss(new HuberLoss(), columns: 3),
        ["huber with delta"] = static () => GradientCheck.Loss(new HuberLoss(0.5f), columns: 3),
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
    public void Every_loss_and_every_activation_has_a_line()
    {
        Assert.All(TrainingLoss.Names, static name => Assert.Contains(name, LossCases.Keys));
        Assert.All(Enum.GetNames<Activation>(), static name => Assert.Contains(System.Text.RegularExpressions.Regex.Replace(name, "(?<=.)[A-Z]", "-$0").ToLowerInvariant(), LayerCases.Keys));
    }

    [Fact]
    public void The_check_finds_a_loss_whose_gradient_is_half_of_it()
    {
        var problem = Assert.Throws<XunitException>(static () => GradientCheck.Loss(new HalfGradientLoss(), columns: 3));
        Assert.Contains("finite differences give", problem.Message, StringComparison.Ordinal);
    }

    private static float[] Distributions(int rows, int columns)
    {
        var q = Array.ConvertAll(Numbers.Normal(rows * columns, 21), static value => Math.Abs(value) + 0.1f);
        LossRun.Normalize(q, columns);
        return q;
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
