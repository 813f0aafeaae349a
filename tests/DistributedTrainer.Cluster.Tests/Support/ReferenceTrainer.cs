using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Data;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Compression;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>Training in one thread with the engine alone, all leaves of a step in one pass: what every cluster must reach.</summary>
internal static class ReferenceTrainer
{
    /// <param name="plan">The run.</param>
    /// <param name="measured">Told of each step the gradient, summed over its rows, and these.</param>
    public static TrainedModel Train(TrainingPlan plan, Action<long, float[], int>? measured = null)
    {
        if (plan.IsAveraged)
        {
            return LocalReference.Train(plan);
        }

        var workspace = plan.Model.CreateWorkspace(plan.Loss, plan.BatchSize);
        plan.Initialize(workspace.Parameters, workspace.Buffers);
        var state = Enumerable.Range(0, plan.Optimizer.StateVectors).Select(_ => new float[plan.Model.Layout.Length]).ToArray();
        var orders = Enumerable.Range(0, plan.Shards).Select(shard => new ShardOrder(plan.Schedule, shard)).ToArray();
        var losses = new List<double>();
        var residuals = Enumerable.Range(0, plan.Shards).Select(_ => new float[plan.Model.Layout.Length]).ToArray();
        for (var step = 0L; step < plan.TotalSteps; step++)
        {
            losses.Add(Step(plan, workspace, state, residuals, orders, step, measured));
        }

        return new TrainedModel(workspace.Parameters.ToArray(), workspace.Buffers.ToArray(), [.. losses]);
    }

    private static double Step(TrainingPlan plan, Workspace workspace, float[][] state, float[][] residuals, ShardOrder[] orders, long step, Action<long, float[], int>? measured)
    {
        var segments = new List<LeafSegment>();
        var rows = new List<int>();
        for (var shard = 0; shard < plan.Shards; shard++)
        {
            var leaf = orders[shard].Rows(step).ToArray();
            if (leaf.Length > 0)
            {
                segments.Add(new LeafSegment(shard, rows.Count, leaf.Length));
                rows.AddRange(leaf);
            }
        }

        Fill(plan, workspace, rows);
        foreach (var segment in segments)
        {
            Augment(plan, workspace, segment, rows.Count, step);
        }

        var gradients = segments.ConvertAll(_ => new AlignedBuffer(plan.Model.Layout.Length));
        var sums = new LeafSums[segments.Count];
        var exchange = new LocalExchange(plan.Shards);
        workspace.Train(step, plan.Seed, segments.ToArray(), gradients, sums, exchange);

        var after = residuals.ToArray();
        for (var i = 0; i < segments.Count && plan.Codec is not null; i++)
        {
            Compress(plan, gradients[i].Span, rows.Count, ref after[segments[i].Leaf]);
        }

        var leaves = segments.Select((segment, i) => (segment.Leaf, Gradient: gradients[i].Span.ToArray(), sums[i].Loss)).ToDictionary(static entry => entry.Leaf);
        var (gradient, loss) = Sum(plan.Codec, new FixedTree(plan.Shards), new FixedTree(plan.Shards).Root, leaf => leaves.TryGetValue(leaf, out var entry) ? (entry.Gradient, entry.Loss) : null)!.Value;
        if (plan.SkipsNonFinite && !(double.IsFinite(loss) && gradient.All(float.IsFinite) && exchange.Pooled.Values.All(static pooled => pooled.Values.All(static moment => moment < 1e37))))
        {
            return loss;
        }

        after.CopyTo(residuals, 0);
        measured?.Invoke(step, gradient, rows.Count);
        var scale = 1f;
        if (plan.ClipNorm is { } maximum)
        {
            var squares = new double[GradientNorm.Blocks(gradient.Length)];
            GradientNorm.BlockSums(gradient, squares);
            scale = GradientNorm.Scale(GradientNorm.Combine(squares), rows.Count, maximum);
        }

        foreach (var slot in plan.Model.Layout.Slots)
        {
            var (start, length) = (slot.Offset, slot.Shape.Elements);
            plan.Optimizer.Update(
                plan.StepOf(step, reductions: 0, rows.Count, slot.Decays || plan.Experiment.Optimizer.DecayBiases, scale),
                workspace.Parameters.Slice(start, length),
                gradient.AsSpan(start, length),
                state.Length > 0 ? state[0].AsSpan(start, length) : [],
                state.Length > 1 ? state[1].AsSpan(start, length) : [],
                workspace.Parameters.Slice(start, length));
        }

        foreach (var slot in plan.Model.BatchNorms)
        {
            var pooled = exchange.Pooled[slot.Index];
            RunningStatistics.Update(slot, workspace.Buffers, pooled.First, pooled.Second, pooled.Rows);
        }

        return loss;
    }

    internal static void Fill(TrainingPlan plan, Workspace workspace, List<int> rows)
    {
        var input = workspace.Input(rows.Count);
        var width = plan.Data.InputShape.Elements;
        for (var i = 0; i < rows.Count; i++)
        {
            plan.Data.Training.CopyRow(rows[i], input.Slice(i * width, width));
            if (plan.IsClassification)
            {
                workspace.Labels(rows.Count)[i] = plan.Data.Training.Label(rows[i]);
            }
            else
            {
                workspace.Targets(rows.Count)[i] = plan.Data.Training.Target(rows[i]);
            }
        }
    }

    internal static void Augment(TrainingPlan plan, Workspace workspace, LeafSegment leaf, int rows, long step)
    {
        var input = workspace.Input(rows);
        var (augmenter, width) = (new Augmenter(plan.Augmentation), plan.Data.InputShape.Elements);
        for (var row = 0; row < leaf.Rows; row++)
        {
            augmenter.Apply(input.Slice((leaf.FirstRow + row) * width, width), plan.Data.InputShape, Augmenter.Stream(plan.Seed, step, leaf.Leaf, row));
        }
    }

    private static void Compress(TrainingPlan plan, Span<float> gradient, int rows, ref float[] residual)
    {
        if (!plan.Codec!.HasResidual)
        {
            plan.Codec.RoundLeaf(gradient);
            return;
        }

        var share = (float)((double)rows / plan.BatchSize);
        var (before, after) = (Array.ConvertAll(residual, left => left * share), new float[residual.Length]);
        plan.Codec.RoundLeaf(gradient, before, after);
        var back = (float)((double)plan.BatchSize / rows);
        residual = Array.ConvertAll(after, left => left * back);
    }

    private static (float[] Gradient, double Loss)? Sum(GradientCodec? codec, FixedTree tree, TreeNode node, Func<int, (float[], double)?> leaf)
    {
        if (!tree.Contains(node) || node.Level == 0)
        {
            return tree.Contains(node) ? leaf(node.Index) : null;
        }

        // Once each: sums lie where the left one was.
        var (first, second) = (Sum(codec, tree, node.Left, leaf), Sum(codec, tree, node.Right, leaf));
        if ((first, second) is not ({ } left, { } right))
        {
            return first ?? second;
        }

        ElementWise.AddTo(left.Gradient, right.Gradient);
        codec?.RoundSum(left.Gradient);
        return (left.Gradient, left.Loss + right.Loss);
    }
}
