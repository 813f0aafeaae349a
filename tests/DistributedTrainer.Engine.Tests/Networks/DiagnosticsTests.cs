using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Networks;

/// <summary>Dead and saturated units where they were put, gradient norms against the engine's own.</summary>
public sealed class DiagnosticsTests
{
    [Fact]
    public void Dead_units_of_relu_are_counted()
    {
        var network = Network.Create(2, 1, new LinearDefinition(5), new ActivationDefinition(Activation.Relu), new LinearDefinition(2));
        var (features, labels) = (Numbers.Normal(60, 1), Numbers.Below(30, 2, 2));

        // Units 0 and 3 never rise above 0: |w·x| stays far below 100. Unit 4 is always above.
        var bias = Bias(network, 0);
        (bias[0], bias[3], bias[4]) = (-100, -100, 100);
        var units = Assert.Single(ModelDiagnostics.Of(network, new Examples(features, labels), batchSize: 7).Activations);
        Assert.Equal(("1", Activation.Relu, 5, 2, 2), (units.Layer, units.Function, units.Units, units.Dead, units.Saturated));
        Assert.Equal(0.4, units.DeadShare);
        Assert.InRange(units.SaturatedValues, 0.4, 0.8 - 1e-9);
    }

    [Fact]
    public void Saturated_units_of_tanh_are_counted()
    {
        var network = Network.Create(2, 1, new LinearDefinition(4), new ActivationDefinition(Activation.Tanh), new LinearDefinition(2));
        var (features, labels) = (Numbers.Normal(60, 1, deviation: 0.1), Numbers.Below(30, 2, 2));

        // 1 − tanh² < 0.01 beyond |x| = 2.994; the weights move it by less than 1.
        network.Parameters[..8].Fill(0.5f);
        var bias = Bias(network, 0);
        (bias[0], bias[1], bias[2], bias[3]) = (5, -5, 0, 1);
        var units = Assert.Single(ModelDiagnostics.Of(network, new Examples(features, labels)).Activations);
        Assert.Null(units.Dead);
        Assert.Equal((4, 2), (units.Units, units.Saturated));
        Assert.Equal(0.5, units.SaturatedShare);
        Assert.Equal(0.5, units.SaturatedValues);
    }

    [Fact]
    public void A_unit_that_lives_in_one_row_is_not_dead()
    {
        var network = Network.Create(1, 1, new LinearDefinition(1), new ActivationDefinition(Activation.Relu));
        (network.Parameters[0], network.Parameters[1]) = (1, 0);
        var units = ModelDiagnostics.Of(network, new Examples(new float[] { -1, -2, 0.5f, -3 }, new float[4]), batchSize: 2).Activations[0];
        Assert.Equal((0, 0), (units.Dead, units.Saturated));
        Assert.Equal(0.75, units.SaturatedValues);
    }

    [Fact]
    public void A_unit_of_an_image_is_a_channel()
    {
        var network = Network.Create(
            new Shape(1, 3, 3), 1, new Conv2dDefinition(4, 2), new ActivationDefinition(Activation.Relu), new FlattenDefinition(), new LinearDefinition(2));
        network.Parameters.Slice(16, 4)[2] = -100;
        var units = ModelDiagnostics.Of(network, new Examples(Numbers.Normal(9 * 20, 1), Numbers.Below(20, 2, 1))).Activations[0];
        Assert.Equal((4, 1), (units.Units, units.Dead));
    }

    [Fact]
    public void Units_are_the_same_in_batches_of_any_size_and_an_evaluation_names_them_too()
    {
        var network = Network.Create(
            new Shape(1, 3, 3), 1, new Conv2dDefinition(4, 2), new ActivationDefinition(Activation.Relu), new FlattenDefinition(), new LinearDefinition(20), new ActivationDefinition(Activation.Silu), new LinearDefinition(2));
        network.Parameters.Slice(16, 4)[2] = -100;
        Bias(network, 3)[..7].Fill(-100);
        var examples = new Examples(Numbers.Normal(9 * 41, 1), Numbers.Below(41, 2, 1));
        var all = ModelDiagnostics.Of(network, examples, batchSize: 41).Activations;
        Assert.Equal([("1", 4, 1), ("4", 20, 0)], all.Select(static units => (units.Layer, units.Units, units.Dead!.Value)));
        Assert.Equal(7, all[1].Saturated);
        Assert.Equal(all, ModelDiagnostics.Of(network, examples, batchSize: 5).Activations);
        Assert.Equal(all, network.Evaluate(examples).Units);
    }

    [Fact]
    public void Marks_of_two_sets_of_rows_are_those_of_both_together()
    {
        var network = Network.Create(2, 1, new LinearDefinition(40), new ActivationDefinition(Activation.Relu), new ResidualDefinition([new ActivationDefinition(Activation.Tanh)]));
        var (model, rows) = (network.Model, Numbers.Normal(2 * 6, 3, mean: 1));
        var workspace = model.CreateWorkspace(new MeanSquaredErrorLoss(), 6);
        network.Parameters.CopyTo(workspace.Parameters);
        Assert.Equal((80, 40), (model.Units, model.Activations[1].FirstUnit));
        var (first, second, both) = (Marks(0, 2), Marks(2, 6), Marks(0, 6));
        Assert.Equal(both, first.Zip(second, static (a, b) => (byte)(a | b)));
        Assert.InRange(model.Activations[0].DeadIn(both)!.Value, 1, model.Activations[0].DeadIn(first)!.Value - 1);
        Assert.Null(model.Activations[1].DeadIn(both));

        byte[] Marks(int from, int to)
        {
            var (activity, marks) = (new UnitActivity(workspace), new byte[model.Units]);
            rows.AsSpan(0, 2).CopyTo(workspace.Input(1));
            workspace.Predict(1);
            activity.Add(1);
            activity.Clear();
            rows.AsSpan(2 * from, 2 * (to - from)).CopyTo(workspace.Input(to - from));
            workspace.Predict(to - from);
            activity.Add(to - from);
            activity.MarkIn(marks);
            return marks;
        }
    }

    [Fact]
    public void Layers_are_looked_at_in_evaluation_and_softmax_is_left_out()
    {
        var network = Network.Create(
            2, 1, new LinearDefinition(3), new DropoutDefinition(0.9f), new ActivationDefinition(Activation.Relu), new ResidualDefinition([new ActivationDefinition(Activation.Sigmoid)]), new ActivationDefinition(Activation.Softmax));
        Bias(network, 0).Fill(100);
        var result = ModelDiagnostics.Of(network, new Examples(Numbers.Normal(20, 1), Numbers.Below(10, 3, 1)));
        Assert.Equal(["2", "3.body.0"], result.Activations.Select(static units => units.Layer));
        Assert.Equal(0, result.Activations[0].SaturatedValues);
        Assert.Equal(3, result.Activations[1].Saturated);
    }

    [Fact]
    public void Gradient_norms_are_those_of_the_mean_loss()
    {
        // One weight w and a bias b, loss (w x + b − t)²: dw = mean 2 e x, db = mean 2 e. With w = 1, b = 0 and
        // x = 1, 2, 3, t = 0: e = 1, 2, 3, dw = 2 · (1 + 4 + 9) / 3 = 28 / 3, db = 2 · 6 / 3 = 4.
        var network = Network.Create(1, 1, new LinearDefinition(1));
        (network.Parameters[0], network.Parameters[1]) = (1, 0);
        var parameters = ModelDiagnostics.Of(network, new Examples(new float[] { 1, 2, 3 }, new float[3]), batchSize: 2).Parameters;
        Assert.Equal(["0.weight", "0.bias"], parameters.Select(static parameter => parameter.Name));
        Assert.Equal(28.0 / 3, parameters[0].Norm, 1e-6);
        Assert.Equal(4, parameters[1].Norm, 1e-6);
        Assert.Equal(1, parameters[0].WeightNorm, 1e-12);
    }

    [Fact]
    public void A_diagnosis_changes_nothing()
    {
        var (features, labels) = Sets.Clouds(50);
        var network = Sets.Mixed();
        network.Fit(features, labels, new FitOptions { Epochs = 1 });
        var (parameters, buffers) = (network.Parameters.ToArray(), network.Buffers.ToArray());
        var result = ModelDiagnostics.Of(network, new Examples(features, labels));
        AssertBits.Equal(parameters, network.Parameters, "parameters");
        AssertBits.Equal(buffers, network.Buffers, "running statistics");
        Assert.All(result.Parameters.Where(static parameter => parameter.Name is "0.weight" or "4.weight"), static parameter => Assert.True(parameter.Norm > 1e-4));
    }

    private static Span<float> Bias(Network network, int layer)
    {
        var slot = network.Model.Layout.Slots.Single(slot => slot.Name == $"{layer}.bias");
        return network.Parameters.Slice(slot.Offset, slot.Shape.Elements);
    }
}
