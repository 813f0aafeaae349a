using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Models;

/// <summary>What a network can that a line cannot (M7), what initial weights do to it (I1 to I4), and how relu dies (A3).</summary>
public sealed class NetworkTests
{
    private static readonly float[] XorInputs = [0, 0, 0, 1, 1, 0, 1, 1];
    private static readonly int[] XorLabels = [0, 1, 1, 0];

    [Fact]
    public void A_network_with_one_hidden_layer_solves_xor()
    {
        var (loss, correct) = LearnXor(new LinearDefinition(8), new ActivationDefinition(Activation.Relu), new LinearDefinition(1));
        Assert.Equal(4, correct);
        Assert.InRange(loss, 0, 0.02);
    }

    [Fact]
    public void No_linear_model_solves_xor()
    {
        // The loss is convex, so where training ends nothing linear is better: p = ½ for every row, log 2.
        var (loss, correct) = LearnXor(new LinearDefinition(1));
        Assert.InRange(correct, 0, 3);
        Assert.Equal(Math.Log(2), loss, 1e-5);

        // Nor are two linear layers more than one.
        (loss, correct) = LearnXor(new LinearDefinition(8), new LinearDefinition(1));
        Assert.InRange(correct, 0, 3);
        Assert.Equal(Math.Log(2), loss, 1e-4);
    }

    [Theory]
    [InlineData(InitialWeightsKind.Zeros, true)]
    [InlineData(InitialWeightsKind.Glorot, false)]
    public void From_zeros_all_hidden_units_get_the_same_gradient_and_never_part(InitialWeightsKind kind, bool same)
    {
        const int Hidden = 5;
        var model = Model(kind, 0, inputs: 3, new LinearDefinition(Hidden), new ActivationDefinition(Activation.Sigmoid), new LinearDefinition(2));
        var training = new LocalTraining(model, new CrossEntropyLoss(), new Sgd(), 8);
        for (var step = 0; step < 10; step++)
        {
            var before = training.Parameters.ToArray();
            training.Step(Numbers.Normal(8 * 3, step), [0, 0, 0, 0, 0, 1, 1, 1], [], [8], 0.5f);

            // The first step moves only the second layer: its weights of 0 let nothing through.
            if (step > 0)
            {
                float[] moves = [.. before.Zip(training.Parameters.ToArray(), static (old, updated) => updated - old)];
                var units = Enumerable.Range(0, Hidden).Select(unit => string.Join(' ', moves[(3 * unit)..(3 * (unit + 1))])).Distinct();
                Assert.Equal(same ? 1 : Hidden, units.Count());
                Assert.All(moves[..(3 * Hidden)], static move => Assert.NotEqual(0, move));
            }
        }
    }

    [Fact]
    public void Through_ten_tanh_layers_small_weights_make_activations_vanish()
    {
        var spread = TanhSpread(InitialWeightsKind.Normal, 0.01);

        // Each layer multiplies the spread by 0.01 · √128, 0.113.
        Assert.Equal(0.113, spread[0].Deviation, 0.01);
        Assert.All(spread.Zip(spread.Skip(1)), static pair => Assert.InRange(pair.Second.Deviation / pair.First.Deviation, 0.095, 0.13));
        Assert.InRange(spread[9].Deviation, 1e-10, 1e-9);
    }

    [Fact]
    public void Through_ten_tanh_layers_large_weights_saturate()
    {
        // Scores spread by 1 · √128 = 11.3: |tanh| is above 0.99 where they are beyond ±2.65, in 80 of 100 units.
        var spread = TanhSpread(InitialWeightsKind.Normal, 1);
        Assert.All(spread, static layer => Assert.InRange(layer.Saturated, 0.75, 0.85));
        Assert.All(spread, static layer => Assert.InRange(layer.Deviation, 0.92, 1));
    }

    [Theory]
    [InlineData(InitialWeightsKind.Xavier)]
    [InlineData(InitialWeightsKind.Glorot)]
    public void Through_ten_tanh_layers_xavier_and_glorot_keep_the_spread(InitialWeightsKind kind)
    {
        // 0.63 behind the first layer, then slowly less.
        var spread = TanhSpread(kind, 0);
        Assert.Equal(0.63, spread[0].Deviation, 0.02);
        Assert.All(spread.Skip(1), static layer => Assert.InRange(layer.Deviation, 0.2, 0.55));
        Assert.All(spread, static layer => Assert.InRange(layer.Saturated, 0, 0.02));
    }

    [Theory]
    [InlineData(Activation.Relu, true)]
    [InlineData(Activation.LeakyRelu, false)]
    public void A_relu_unit_that_is_0_for_every_row_is_dead_and_leaky_relu_comes_back(Activation activation, bool dies)
    {
        const int Rows = 32;
        const int Hidden = 6;
        var model = Model(InitialWeightsKind.He, 0, inputs: 3, new LinearDefinition(Hidden), new ActivationDefinition(activation), new LinearDefinition(1));
        var training = new LocalTraining(model, new MeanSquaredErrorLoss(), new Sgd(), Rows);
        var x = Numbers.Normal(Rows * 3, 1);
        var t = Array.ConvertAll(Numbers.Normal(Rows, 2), static value => value + 3);

        // As after one step that was too large: the bias of unit 2 is far below all its scores.
        training.Parameters[(3 * Hidden) + 2] = -20;
        training.Parameters[(4 * Hidden) + 2] = -1;
        var before = training.Parameters.ToArray();
        for (var step = 0; step < 50; step++)
        {
            training.Step(x, [], t, [Rows], 0.02f);
        }

        for (var unit = 0; unit < Hidden; unit++)
        {
            var moved = !before.AsSpan(3 * unit, 3).SequenceEqual(training.Parameters.Slice(3 * unit, 3)) || before[(3 * Hidden) + unit] != training.Parameters[(3 * Hidden) + unit];
            Assert.Equal(!(dies && unit == 2), moved);
        }
    }

    private static (double Loss, long Correct) LearnXor(params LayerDefinition[] layers)
    {
        var training = new LocalTraining(Model(InitialWeightsKind.He, 0, inputs: 2, layers), new LogisticLoss(), new Adam(), 4);
        for (var step = 0; step < 1500; step++)
        {
            training.Step(XorInputs, XorLabels, [], [1, 3], 0.02f);
        }

        XorInputs.CopyTo(training.Workspace.Input(4));
        XorLabels.CopyTo(training.Workspace.Labels(4));
        training.Workspace.Evaluate(4, out var sums);
        return (sums.Loss / 4, sums.Correct);
    }

    // Standard deviation of the activations behind each of ten layers, and the share of them beyond ±0.99.
    private static (double Deviation, double Saturated)[] TanhSpread(InitialWeightsKind kind, double scale)
    {
        const int Width = 128;
        const int Rows = 64;
        Model Network(int depth) => Model(
            kind, scale, Width, [.. Enumerable.Range(0, depth).SelectMany(static _ => new LayerDefinition[] { new LinearDefinition(Width), new ActivationDefinition(Activation.Tanh) })]);

        var whole = Network(10);
        var parameters = new float[whole.Layout.Length];
        whole.Initialize(parameters, [], 3);
        return [.. Enumerable.Range(1, 10).Select(depth =>
        {
            // The first layers of the whole network.
            var workspace = Network(depth).CreateWorkspace(new MeanSquaredErrorLoss(), Rows);
            parameters.AsSpan(0, workspace.Parameters.Length).CopyTo(workspace.Parameters);
            Numbers.Normal(Rows * Width, 4).CopyTo(workspace.Input(Rows));
            workspace.Predict(Rows);
            var y = workspace.Outputs.ToArray();
            return (Math.Sqrt(y.Average(static value => (double)value * value)), y.Count(static value => Math.Abs(value) > 0.99) / (double)y.Length);
        })];
    }

    private static Model Model(InitialWeightsKind kind, double scale, int inputs, params LayerDefinition[] layers) =>
        new(new ModelDefinition(new Shape(inputs), layers, new InitialWeights(kind, scale)));
}
