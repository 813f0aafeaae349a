using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Tests.Layers;

/// <summary>A leaf has the same bits whichever leaves are computed with it.</summary>
public sealed class LeafBitsTests
{
    private static readonly (int Leaf, int Rows)[] Leaves = [(0, 3), (1, 1), (2, 6), (5, 2), (7, 4)];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Leaves_have_the_same_bits_together_and_one_by_one(bool backwards)
    {
        var together = new LayerRun(new Shape(2, 9, 8), 16, Network);
        var x = LayerRun.Numbers(16 * together.InputColumns, 1);
        var dy = LayerRun.Numbers(16 * together.OutputColumns, 2);
        var y = together.Forward(x, training: true, Leaves);
        var dx = together.Backward(dy);

        var alone = new LayerRun(new Shape(2, 9, 8), 16, Network);
        foreach (var (i, leaf) in backwards ? Leaves.Index().Reverse() : Leaves.Index())
        {
            var first = Leaves[..i].Sum(static leaf => leaf.Rows);
            Range Of(int columns) => (first * columns)..((first + leaf.Rows) * columns);
            Assert.Equal(y[Of(alone.OutputColumns)], alone.Forward(x[Of(alone.InputColumns)], training: true, leaf));
            Assert.Equal(dx[Of(alone.InputColumns)], alone.Backward(dy[Of(alone.OutputColumns)]));
            Assert.True(together.Gradients[i].Span.SequenceEqual(alone.Gradients[0].Span), $"the gradient of leaf {leaf.Leaf} differs");
        }
    }

    [Fact]
    public void Synchronous_statistics_of_images_do_not_depend_on_the_order_in_which_rows_stand()
    {
        var layers = new LayerDefinition[] { new BatchNormDefinition() };
        var run = new LayerRun(new Shape(3, 4, 5), 7, layers);
        var x = LayerRun.Numbers(7 * run.InputColumns, 3);
        var y = run.Forward(x, training: true, (0, 2), (1, 5));

        // The leaves change places in the batch; the tree adds them in the same order.
        var swapped = new LayerRun(new Shape(3, 4, 5), 7, layers);
        var border = 2 * run.InputColumns;
        var other = swapped.Forward([.. x[border..], .. x[..border]], training: true, (1, 5), (0, 2));
        Assert.Equal(y[border..], other[..^border]);
        Assert.Equal(y[..border], other[^border..]);
        Assert.Equal(140, run.Pooled[0].Rows);
    }

    [Fact]
    public void A_small_network_learns_bars_that_lie_from_bars_that_stand()
    {
        LayerDefinition[] layers =
        [
            new Conv2dDefinition(6, 3, Padding: 1),
            new BatchNormDefinition(),
            new ActivationDefinition(Activation.Relu),
            new ResidualDefinition([new Conv2dDefinition(6, 3, Padding: 1), new ActivationDefinition(Activation.Relu)]),
            new MaxPool2dDefinition(2),
            new GlobalAvgPool2dDefinition(),
            new FlattenDefinition(),
            new LayerNormDefinition(),
            new LinearDefinition(2),
        ];
        const int rows = 32;
        var model = new Model(new ModelDefinition(new Shape(1, 8, 8), layers, new InitialWeights(InitialWeightsKind.He)));
        var workspace = model.CreateWorkspace(new CrossEntropyLoss(), rows);
        model.Initialize(workspace.Parameters, workspace.Buffers, seed: 1);
        var gradients = new[] { new AlignedBuffer(model.Layout.Length), new AlignedBuffer(model.Layout.Length) };
        var sums = new LeafSums[2];
        var correct = 0L;
        for (var step = 0; step < 60; step++)
        {
            var images = workspace.Input(rows);
            LayerRun.Numbers(images.Length, step).CopyTo(images);
            for (var row = 0; row < rows; row++)
            {
                var lies = row % 2;
                workspace.Labels(rows)[row] = lies;
                for (var i = 0; i < 8; i++)
                {
                    var at = (row + step) * 5 % 8;
                    images[(row * 64) + (lies == 1 ? (at * 8) + i : (i * 8) + at)] += 3;
                }
            }

            workspace.Train(step, 1, [new LeafSegment(0, 0, 20), new LeafSegment(1, 20, 12)], gradients, sums, new LocalExchange(2));
            correct = sums[0].Correct + sums[1].Correct;
            for (var i = 0; i < workspace.Parameters.Length; i++)
            {
                workspace.Parameters[i] -= 0.2f / rows * (gradients[0].Span[i] + gradients[1].Span[i]);
            }
        }

        Assert.Equal(rows, correct);
    }

    private static LayerDefinition[] Network =>
    [
        new Conv2dDefinition(5, 3, Padding: 1),
        new BatchNormDefinition(Sync: false),
        new ActivationDefinition(Activation.Relu),
        new MaxPool2dDefinition(2),
        new ResidualDefinition([new Conv2dDefinition(7, 3, 2, 1), new DropoutDefinition(0.25f)], [new Conv2dDefinition(7, 1, 2, Bias: false)]),
        new AvgPool2dDefinition(2, 1),
        new FlattenDefinition(),
        new LayerNormDefinition(),
        new DropoutDefinition(0.5f),
        new LinearDefinition(3),
    ];
}
