using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Random;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Data.Tests;

/// <summary>The engine's own training visits rows as a cluster with as many shards does, and gives its bits.</summary>
public sealed class NetworkOrderTests
{
    private const int Rows = 53;

    [Theory]
    [InlineData(1, true)]
    [InlineData(3, true)]
    [InlineData(4, false)]
    public void A_network_trains_to_the_bits_of_the_shards(int shards, bool shuffle)
    {
        var stream = new RandomStream(3, RandomPurpose.Augment);
        var features = Enumerable.Range(0, Rows * 2).Select(i => (float)stream.Normal(i)).ToArray();
        var labels = Enumerable.Range(0, Rows).Select(row => row % 3).ToArray();
        var network = Network.Create(2, 11, new LinearDefinition(5), new BatchNormDefinition(), new DropoutDefinition(0.2f), new LinearDefinition(3));
        var expected = network.Model.CreateWorkspace(new CrossEntropyLoss(), 10);
        network.Parameters.CopyTo(expected.Parameters);
        network.Buffers.CopyTo(expected.Buffers);

        var schedule = new LeafSchedule(Rows, 10, shards, keepLast: true, shuffle, seed: 11);
        Train(network.Model, expected, schedule, steps: 2 * schedule.StepsPerEpoch, features, labels);
        network.Fit(features, labels, new FitOptions { Epochs = 2, BatchSize = 10, Leaves = shards, Shuffle = shuffle, Optimizer = new Sgd(), LearningRate = 0.1 });
        Assert.Equal(expected.Parameters.ToArray(), network.Parameters.ToArray());
        Assert.Equal(expected.Buffers.ToArray(), network.Buffers.ToArray());
    }

    private static void Train(Model model, Workspace workspace, LeafSchedule schedule, long steps, float[] features, int[] labels)
    {
        var orders = Enumerable.Range(0, schedule.Shards).Select(shard => new ShardOrder(schedule, shard)).ToArray();
        for (var step = 0L; step < steps; step++)
        {
            var (rows, segments) = (new List<int>(), new List<LeafSegment>());
            for (var shard = 0; shard < schedule.Shards; shard++)
            {
                var leaf = orders[shard].Rows(step);
                if (leaf.Length > 0)
                {
                    segments.Add(new LeafSegment(shard, rows.Count, leaf.Length));
                    rows.AddRange(leaf);
                }
            }

            for (var i = 0; i < rows.Count; i++)
            {
                features.AsSpan(rows[i] * 2, 2).CopyTo(workspace.Input(rows.Count)[(i * 2)..]);
                workspace.Labels(rows.Count)[i] = labels[rows[i]];
            }

            var gradients = segments.ConvertAll(_ => new AlignedBuffer(model.Layout.Length));
            var exchange = new LocalExchange(schedule.Shards);
            workspace.Train(step, schedule.Seed, segments.ToArray(), gradients, new LeafSums[segments.Count], exchange);
            var tree = new TreeGather<AlignedBuffer>(new FixedTree(schedule.Shards), static (left, right) => ElementWise.AddTo(left.Span, right.Span), static _ => { });
            tree.Reset(shard => segments.Any(segment => segment.Leaf == shard));
            for (var i = 0; i < segments.Count; i++)
            {
                tree.Offer(TreeNode.OfLeaf(segments[i].Leaf), gradients[i]);
            }

            new Sgd().Update(new OptimizerStep(step, 0.1f, rows.Count), workspace.Parameters, tree.TakeTotal().Span, [], [], workspace.Parameters);
            foreach (var slot in model.BatchNorms)
            {
                var pooled = exchange.Pooled[slot.Index];
                RunningStatistics.Update(slot, workspace.Buffers, pooled.First, pooled.Second, pooled.Rows);
            }
        }
    }
}
