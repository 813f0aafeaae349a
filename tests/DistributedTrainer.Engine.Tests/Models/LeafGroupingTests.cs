using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Models;

/// <summary>A leaf's gradient has the same bits whichever leaves are computed beside it: the heart of the promise.</summary>
public sealed class LeafGroupingTests
{
    private const int Features = 13;
    private const int Classes = 5;
    private const long Step = 4;
    private const ulong Seed = 9;
    private static readonly int[] LeafRows = [5, 1, 17, 8, 3];

    // All layers that could mix rows: a new one that could belongs here.
    private static readonly Model Model = new(new ModelDefinition(
        new Shape(Features),
        [
            new LinearDefinition(33),
            new BatchNormDefinition(),
            new ActivationDefinition(Activation.Relu),
            new DropoutDefinition(0.4f),
            new LinearDefinition(19),
            new BatchNormDefinition(Sync: false),
            new ActivationDefinition(Activation.Tanh),
            new LinearDefinition(16, Bias: false),
            new BatchNormDefinition(),
            new ActivationDefinition(Activation.Sigmoid),
            new LinearDefinition(Classes),
        ],
        new InitialWeights(InitialWeightsKind.He)));

    [Theory]
    [InlineData("0|1|2|3|4")]
    [InlineData("4|3|2|1|0")]
    [InlineData("0,1|2,3|4")]
    [InlineData("0,4|1,2,3")]
    [InlineData("3,1|2|4,0")]
    [InlineData("4,3,2,1,0")]
    public void Leaf_gradients_do_not_depend_on_the_grouping(string grouping)
    {
        var (expected, expectedSums, expectedPooled) = Compute([[0, 1, 2, 3, 4]]);
        var (actual, sums, pooled) = Compute([.. grouping.Split('|').Select(static group => group.Split(',').Select(int.Parse).ToArray())]);
        for (var leaf = 0; leaf < LeafRows.Length; leaf++)
        {
            AssertBits.Equal(expected[leaf].Span, actual[leaf].Span, $"gradient of leaf {leaf} in {grouping}");
        }

        Assert.Equal(expectedSums, sums);
        for (var layer = 0; layer < pooled.Length; layer++)
        {
            Assert.Equal(LeafRows.Sum(), pooled[layer].Rows);
            AssertBits.Equal(expectedPooled[layer].Values, pooled[layer].Values, $"moments of layer {layer} in {grouping}");
        }
    }

    [Fact]
    public void A_leaf_depends_on_its_own_number_and_the_step()
    {
        // Were it not so, dropout would use one mask for all.
        var first = Masked(leaf: 0, step: 0);
        Assert.NotEqual(first, Masked(leaf: 1, step: 0));
        Assert.NotEqual(first, Masked(leaf: 0, step: 1));
        Assert.Equal(first, Masked(leaf: 0, step: 0));

        static float[] Masked(int leaf, long step)
        {
            var model = new Model(new ModelDefinition(new Shape(1), [new LinearDefinition(64), new DropoutDefinition(0.5f)], new InitialWeights(InitialWeightsKind.Normal, 1)));
            var workspace = model.CreateWorkspace(new MeanSquaredErrorLoss(), 1);
            model.Initialize(workspace.Parameters, workspace.Buffers, 1);
            workspace.Input(1)[0] = 1;
            workspace.Train(step, 1, [new LeafSegment(leaf, 0, 1)], [new AlignedBuffer(model.Layout.Length)], new LeafSums[1], new LocalExchange(2));
            return workspace.Outputs.ToArray();
        }
    }

    private static (AlignedBuffer[] Gradients, LeafSums[] Sums, ColumnSums[] Pooled) Compute(int[][] groups)
    {
        var first = Leaves.Of(LeafRows);
        var x = Numbers.Normal(LeafRows.Sum() * Features, 1, mean: 3);
        var labels = Numbers.Below(LeafRows.Sum(), Classes, 2);
        var gradients = new AlignedBuffer[LeafRows.Length];
        var sums = new LeafSums[LeafRows.Length];
        var exchange = new SharedExchange(LeafRows.Length);
        Exception? problem = null;
        var threads = Array.ConvertAll(groups, group => new Thread(() =>
        {
            try
            {
                Train(group);
            }
            catch (Exception thrown)
            {
                Interlocked.CompareExchange(ref problem, thrown, null);
            }
        }));
        Array.ForEach(threads, static thread => thread.Start());
        Array.ForEach(threads, static thread => thread.Join());
        Assert.Null(problem);
        return (gradients, sums, [.. Model.BatchNorms.Select(exchange.Pooled)]);

        void Train(int[] group)
        {
            var rows = group.Sum(static leaf => LeafRows[leaf]);
            var workspace = Model.CreateWorkspace(new CrossEntropyLoss(), rows);
            Model.Initialize(workspace.Parameters, workspace.Buffers, Seed);
            var segments = new LeafSegment[group.Length];
            var at = 0;
            for (var i = 0; i < group.Length; i++)
            {
                var leaf = first[group[i]];
                segments[i] = leaf with { FirstRow = at };
                x.AsSpan(leaf.FirstRow * Features, leaf.Rows * Features).CopyTo(workspace.Input(rows)[(at * Features)..]);
                labels.AsSpan(leaf.FirstRow, leaf.Rows).CopyTo(workspace.Labels(rows)[at..]);
                at += leaf.Rows;
            }

            var own = Array.ConvertAll(group, static _ => new AlignedBuffer(Model.Layout.Length));
            var ownSums = new LeafSums[group.Length];
            workspace.Train(Step, Seed, segments, own, ownSums, exchange);
            for (var i = 0; i < group.Length; i++)
            {
                gradients[group[i]] = own[i];
                sums[group[i]] = ownSums[i];
            }
        }
    }
}
