using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;
using GradientCheck = DistributedTrainer.Engine.Diagnostics.GradientCheck;

namespace DistributedTrainer.Engine.Tests.Networks;

/// <summary>The library's gradient check passes right gradients and finds wrong ones.</summary>
public sealed class GradientCheckTests
{
    [Fact]
    public void A_network_with_batch_norm_and_dropout_passes()
    {
        var (features, labels) = Sets.Clouds(15);
        var result = GradientCheck.Run(Sets.Mixed(), new Examples(features, labels));
        Assert.True(result.Passed, Text(result));
        Assert.Equal(["0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias"], result.Parameters.Select(static parameter => parameter.Name));
    }

    public static TheoryData<string> LossNames => [.. TrainingLoss.Names];

    [Theory]
    [MemberData(nameof(LossNames))]
    public void Every_loss_passes(string name)
    {
        var loss = TrainingLoss.Create(name);
        var network = Network.Create(3, 2, new LinearDefinition(6), new ActivationDefinition(Activation.Tanh), new LinearDefinition(loss.OutputsFor(2)!.Value));
        var features = Numbers.Normal(36, 1);
        var examples = loss.Targets == LossTargets.Classes
            ? new Examples(features, Numbers.Below(12, 2, 1))
            : new Examples(features, Numbers.Normal(24, 2));
        var result = GradientCheck.Run(network.Model, loss, network.Parameters, examples);
        Assert.True(result.Passed, Text(result));
    }

    [Fact]
    public void Convolutions_pooling_and_residual_blocks_pass()
    {
        var network = Network.Create(
            new Shape(2, 6, 6),
            3,
            new Conv2dDefinition(4, 3, Padding: 1),
            new BatchNormDefinition(),
            new ActivationDefinition(Activation.Relu),
            new ResidualDefinition([new Conv2dDefinition(4, 3, Padding: 1), new ActivationDefinition(Activation.Gelu)]),
            new MaxPool2dDefinition(2),
            new FlattenDefinition(),
            new LayerNormDefinition(),
            new LinearDefinition(3));
        var result = GradientCheck.Run(network, new Examples(Numbers.Normal(72 * 6, 1), Numbers.Below(6, 3, 1)));
        Assert.True(result.Passed, Text(result));
    }

    [Fact]
    public void Large_parameters_are_sampled_without_repetition()
    {
        var network = Network.Create(50, 1, new LinearDefinition(40), new ActivationDefinition(Activation.Sigmoid), new LinearDefinition(2));
        var result = GradientCheck.Run(network, new Examples(Numbers.Normal(400, 1), Numbers.Below(8, 2, 1)), new GradientCheckOptions { ElementsPerParameter = 16 });
        Assert.True(result.Passed, Text(result));
        Assert.Equal([16, 16, 16, 2], result.Parameters.Select(static parameter => parameter.Checked + parameter.Skipped));
    }

    [Theory]
    [InlineData(1.05f)]
    [InlineData(-1f)]
    [InlineData(0f)]
    public void A_wrong_gradient_is_found_where_it_is(float factor)
    {
        var definition = new ModelDefinition(
            new Shape(3), [new LinearDefinition(4), new WrongDefinition(factor), new ActivationDefinition(Activation.Tanh), new LinearDefinition(2)], new InitialWeights(InitialWeightsKind.He));
        var model = new Model(definition);
        var parameters = new float[model.Layout.Length];
        model.Initialize(parameters, [], 4);
        var result = GradientCheck.Run(model, new CrossEntropyLoss(), parameters, new Examples(Numbers.Normal(36, 1), Numbers.Below(12, 2, 1)));
        Assert.False(result.Passed);

        // Behind the wrong layer everything is right, before it nothing.
        Assert.Equal([false, false, true, true], result.Parameters.Select(static parameter => parameter.Passed));
        var worst = result.Parameters[0];
        Assert.InRange(worst.LargestError, 0.03, 2.01);
        Assert.Equal(worst.Numeric * factor, worst.Analytic, 2e-3);
    }

    [Fact]
    public void Kinks_are_skipped_not_blamed()
    {
        // Scores of exactly 0: each weight of the first layer stands on the kink of relu.
        var network = Network.Create(new Shape(2), 1, new InitialWeights(InitialWeightsKind.Zeros), new LinearDefinition(2), new ActivationDefinition(Activation.Relu), new LinearDefinition(2));
        network.Parameters[6..10].Fill(1);
        var result = GradientCheck.Run(network, new Examples(new float[] { 1, 1, 2, 1 }, new[] { 0, 0 }));
        Assert.Equal(0, result.Parameters[0].LargestError);
        network.Parameters[6] = 3;
        var kinked = GradientCheck.Run(network, new Examples(new float[] { 1, 1, 2, 1 }, new[] { 0, 0 })).Parameters[0];
        Assert.Equal(2, kinked.Skipped);
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        var network = Network.Create(2, 1, new LinearDefinition(2));
        var problem = Assert.Throws<ArgumentException>(
            () => GradientCheck.Run(network.Model, new CrossEntropyLoss(), new float[3], new Examples(new float[2], new[] { 5 }), new GradientCheckOptions { Step = 0 }));
        Assert.Contains("the label of row 0 is 5", problem.Message);
        Assert.Contains("Step is 0", problem.Message);
        Assert.Contains("3 parameters, the model has 6", problem.Message);
    }

    private static string Text(GradientCheckResult result) => string.Join(Environment.NewLine, result.Parameters);

    /// <summary>y = x, with a gradient that is wrong by a factor.</summary>
    private sealed record WrongDefinition(float Factor) : LayerDefinition
    {
        internal override Shape Declare(ModelDeclaration model, Shape input) => input;

        internal override Variable Build(ModelGraph graph, Variable x)
        {
            var y = graph.Graph.Output(x.Shape);
            graph.Graph.Add(new WrongOperation(x, y, Factor), x);
            return y;
        }
    }

    private sealed class WrongOperation(Variable x, Variable y, float factor) : Operation
    {
        public override void Forward(Pass pass) => x.Value(pass.Rows).CopyTo(y.Value(pass.Rows));

        public override void Backward(Pass pass)
        {
            for (var i = 0; i < x.Gradient(pass.Rows).Length; i++)
            {
                x.Gradient(pass.Rows)[i] = factor * y.Gradient(pass.Rows)[i];
            }
        }
    }
}
