using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Models;

/// <summary>Training, evaluation and prediction in one workspace, and what it refuses.</summary>
public sealed class WorkspaceTests
{
    private static readonly Model Model = new(new ModelDefinition(
        new Shape(6),
        [new LinearDefinition(20), new ActivationDefinition(Activation.Relu), new DropoutDefinition(0.2f), new LinearDefinition(17), new ActivationDefinition(Activation.Tanh), new LinearDefinition(3)],
        new InitialWeights(InitialWeightsKind.He)));

    // Every layer but batch-norm, whose LocalExchange gathers in small objects.
    private static readonly Model Images = new(new ModelDefinition(
        new Shape(2, 9, 8),
        [
            new Conv2dDefinition(5, 3, Padding: 1), new ActivationDefinition(Activation.Elu), new MaxPool2dDefinition(2),
            new ResidualDefinition([new Conv2dDefinition(7, 3, 2, 1), new DropoutDefinition(0.25f)], [new Conv2dDefinition(7, 1, 2, Bias: false)]),
            new AvgPool2dDefinition(2, 1), new FlattenDefinition(), new LayerNormDefinition(), new LinearDefinition(5), new ActivationDefinition(Activation.Softmax),
        ],
        new InitialWeights(InitialWeightsKind.He)));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_warm_step_allocates_nothing(bool images)
    {
        var model = images ? Images : Model;
        var workspace = Filled(model, new CrossEntropyLoss(), 12);
        var gradients = new[] { new AlignedBuffer(model.Layout.Length), new AlignedBuffer(model.Layout.Length) };
        var (sums, segments, exchange) = (new LeafSums[2], Leaves.Of(7, 5), new LocalExchange(2));
        Assert.Equal(0, Allocation.Warm(() => workspace.Train(1, 2, segments, gradients, sums, exchange)));
    }

    [Fact]
    public void A_warm_evaluation_allocates_nothing()
    {
        var workspace = Filled(Model, new CrossEntropyLoss(), 12);
        Assert.Equal(0, Allocation.Warm(() => workspace.Evaluate(12, out _)));
    }

    // 20 x 6 and 20 are in the first layer, 17 x 20 and 17 in the second: a border within a tensor, one between two, none.
    [Theory]
    [InlineData(50)]
    [InlineData(140)]
    [InlineData(300, 480)]
    [InlineData]
    public void Parameters_that_are_lent_give_the_bits_of_the_workspaces_own(params int[] borders)
    {
        var (own, borrower) = (Filled(Model, new CrossEntropyLoss(), 12), Filled(Model, new CrossEntropyLoss(), 12));
        var second = Model.CreateWorkspace(new CrossEntropyLoss(), 12, borrower);
        var lent = new AlignedBuffer(Model.Layout.Length);
        own.Parameters.CopyTo(lent.Span);
        borrower.Parameters.Fill(float.NaN);
        int[] cuts = [0, .. borders, lent.Length];
        for (var i = 1; i < cuts.Length; i++)
        {
            borrower.Lend(cuts[i - 1], lent.Span[cuts[i - 1]..cuts[i]]);
        }

        Numbers.Normal(12 * 6, 4).CopyTo(second.Input(12));
        Numbers.Below(12, 3, 5).CopyTo(second.Labels(12));
        var expected = Gradient(own);
        AssertBits.Equal(expected, Gradient(borrower), "gradient");
        AssertBits.Equal(expected, Gradient(second), "gradient of who has the same parameters");
        Assert.False(borrower.LacksParameters);
        borrower.TakeBack();
        Assert.True(borrower.LacksParameters && second.LacksParameters);
        lent.Span.CopyTo(borrower.Parameters);
        lent.Span.Fill(float.NaN);
        borrower.LacksParameters = false;
        AssertBits.Equal(expected, Gradient(borrower), "gradient with parameters of its own again");

        static float[] Gradient(Workspace workspace)
        {
            var gradient = new AlignedBuffer(Model.Layout.Length);
            workspace.Train(1, 2, Leaves.Of(12), [gradient], new LeafSums[1], new LocalExchange(1));
            return gradient.Span.ToArray();
        }
    }

    [Fact]
    public void Evaluation_is_the_same_before_and_after_a_training_pass()
    {
        var workspace = Filled(Model, new CrossEntropyLoss(), 12);
        workspace.Evaluate(12, out var before);
        workspace.Train(1, 2, Leaves.Of(12), [new AlignedBuffer(Model.Layout.Length)], new LeafSums[1], new LocalExchange(1));
        workspace.Evaluate(12, out var after);
        Assert.Equal(before, after);
        Assert.Equal(12, after.Rows);
        Assert.InRange(after.Correct, 1, 11);
    }

    [Fact]
    public void A_row_is_predicted_alone_as_among_others()
    {
        var workspace = Filled(Model, new CrossEntropyLoss(), 12);
        workspace.Predict(12);
        var all = workspace.Outputs.ToArray();
        workspace.Predict(1);
        AssertBits.Equal(all.AsSpan(0, 3), workspace.Outputs, "first row");
    }

    [Fact]
    public void No_rows_are_predicted_as_nothing()
    {
        var workspace = Filled(Model, new CrossEntropyLoss(), 12);
        workspace.Evaluate(0, out var sums);
        Assert.Equal(new LeafSums(0, 0, 0), sums);
        Assert.Equal(0, workspace.Outputs.Length);
    }

    [Fact]
    public void Dropout_of_nothing_changes_nothing()
    {
        var without = Outputs(new LinearDefinition(9));
        var with = Outputs(new LinearDefinition(9), new DropoutDefinition(0));
        AssertBits.Equal(without, with, "outputs");

        static float[] Outputs(params LayerDefinition[] layers)
        {
            var model = new Model(new ModelDefinition(new Shape(6), layers, new InitialWeights(InitialWeightsKind.He)));
            var workspace = Filled(model, new CrossEntropyLoss(), 5);
            workspace.Train(0, 1, Leaves.Of(5), [new AlignedBuffer(model.Layout.Length)], new LeafSums[1], new LocalExchange(1));
            return workspace.Outputs.ToArray();
        }
    }

    [Fact]
    public void Dropout_drops_its_share_and_scales_the_rest()
    {
        var model = new Model(new ModelDefinition(new Shape(1), [new LinearDefinition(4000, Bias: false), new DropoutDefinition(0.3f)], new InitialWeights(InitialWeightsKind.Normal, 1)));
        var workspace = Filled(model, new MeanSquaredErrorLoss(), 1);
        workspace.Input(1)[0] = 1;
        workspace.Train(0, 1, Leaves.Of(1), [new AlignedBuffer(model.Layout.Length)], new LeafSums[1], new LocalExchange(1));
        var outputs = workspace.Outputs.ToArray();
        Assert.Equal(0.3, outputs.Count(static y => y == 0) / 4000.0, 5 * Math.Sqrt(0.21 / 4000));
        for (var i = 0; i < outputs.Length; i++)
        {
            Assert.True(outputs[i] == 0 || outputs[i] == workspace.Parameters[i] * (1 / (1 - 0.3f)));
        }
    }

    [Fact]
    public void Leaves_that_do_not_fill_the_batch_are_refused()
    {
        var workspace = Filled(Model, new CrossEntropyLoss(), 12);
        foreach (var (segments, reason) in new (LeafSegment[], string)[]
        {
            ([], "no leaves"),
            ([new(0, 1, 3)], "begins at row 1"),
            ([new(0, 0, 3), new(1, 4, 3)], "begins at row 4"),
            ([new(0, 0, 3), new(1, 3, 0)], "has 0 rows"),
            ([new(0, 0, 13)], "12 rows"),
            ([new(0, 0, 3), new(1, 3, 3), new(2, 6, 3)], "2 gradients"),
        })
        {
            var problem = Assert.Throws<ArgumentException>(() => workspace.Train(
                0, 1, segments, [new AlignedBuffer(Model.Layout.Length), new AlignedBuffer(Model.Layout.Length)], new LeafSums[3], new LocalExchange(3)));
            Assert.Contains(reason, problem.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void More_rows_than_there_is_room_for_are_refused()
    {
        var workspace = Model.CreateWorkspace(new CrossEntropyLoss(), 12);
        Assert.Contains("12 rows", Assert.Throws<ArgumentOutOfRangeException>(() => workspace.Input(13).Length).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_nan_in_one_leaf_stays_in_its_gradient()
    {
        var workspace = Filled(Model, new CrossEntropyLoss(), 12);
        workspace.Input(12)[^1] = float.NaN;
        var gradients = new[] { new AlignedBuffer(Model.Layout.Length), new AlignedBuffer(Model.Layout.Length) };
        var sums = new LeafSums[2];
        workspace.Train(0, 1, Leaves.Of(7, 5), gradients, sums, new LocalExchange(2));
        Assert.True(double.IsFinite(sums[0].Loss));
        Assert.False(double.IsFinite(sums[1].Loss));
        Assert.All(gradients[0].Span.ToArray(), static value => Assert.True(float.IsFinite(value)));
        Assert.Contains(gradients[1].Span.ToArray(), float.IsNaN);
    }

    private static Workspace Filled(Model model, Loss loss, int rows)
    {
        var workspace = model.CreateWorkspace(loss, rows);
        model.Initialize(workspace.Parameters, workspace.Buffers, 3);
        Numbers.Normal(rows * model.Input.Elements, 4).CopyTo(workspace.Input(rows));
        Numbers.Below(rows, model.Output.Elements, 5).CopyTo(workspace.Labels(rows));
        return workspace;
    }
}
