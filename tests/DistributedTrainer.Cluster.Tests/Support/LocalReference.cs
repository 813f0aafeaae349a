using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Data;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>
/// Steps that shards take by themselves, as plainly as they can be written: a loop over shards with whole vectors, sums in a
/// tree that is cut in the middle by recursion.
/// </summary>
internal static class LocalReference
{
    public static TrainedModel Train(TrainingPlan plan)
    {
        var workspace = plan.Model.CreateWorkspace(plan.Loss, plan.BatchSize);
        plan.Initialize(workspace.Parameters, workspace.Buffers);
        var vectors = new List<float[]> { workspace.Parameters.ToArray() };
        vectors.AddRange(Enumerable.Range(0, plan.Optimizer.StateVectors).Select(_ => new float[plan.Model.Layout.Length]));
        var orders = Enumerable.Range(0, plan.Shards).Select(shard => new ShardOrder(plan.Schedule, shard)).ToArray();
        var losses = new List<double>();
        for (var step = 0L; step < plan.TotalSteps;)
        {
            // Up to local-steps of them, within an epoch and the run.
            var steps = new List<long> { step++ };
            while (steps.Count < plan.Experiment.Training.LocalSteps && step < plan.TotalSteps && step % plan.Schedule.StepsPerEpoch != 0)
            {
                steps.Add(step++);
            }

            var shards = Enumerable.Range(0, plan.Shards).Select(shard => Course(plan, workspace, vectors, orders[shard], shard, steps)).ToArray();
            var rows = shards.Sum(static course => course?.Rows ?? 0);
            var mean = Sum(shards, plan.Shards, course => ([.. course.Vectors.Select(vector => Array.ConvertAll(vector, value => value * (float)((double)course.Rows / rows)))], course.Loss))!.Value;
            losses.AddRange(steps.Select(one => mean.Loss / rows * plan.Schedule.GlobalRows(one)));
            if (!plan.SkipsNonFinite || (double.IsFinite(mean.Loss) && mean.Vectors[0].All(float.IsFinite)))
            {
                vectors = mean.Vectors;
            }
        }

        return new TrainedModel([.. vectors[0]], [], [.. losses]);
    }

    private static (List<float[]> Vectors, int Rows, double Loss)? Course(TrainingPlan plan, Workspace workspace, List<float[]> start, ShardOrder order, int shard, List<long> steps)
    {
        var (own, rows, loss) = (start.ConvertAll(static vector => vector.ToArray()), 0, 0.0);
        foreach (var step in steps)
        {
            var leaf = order.Rows(step).ToArray();
            if (leaf.Length == 0)
            {
                continue;
            }

            own[0].CopyTo(workspace.Parameters);
            var segment = new LeafSegment(shard, 0, leaf.Length);
            ReferenceTrainer.Fill(plan, workspace, [.. leaf]);
            ReferenceTrainer.Augment(plan, workspace, segment, leaf.Length, step);
            var (gradient, sums) = (new AlignedBuffer(plan.Model.Layout.Length), new LeafSums[1]);
            workspace.Train(step, plan.Seed, [segment], [gradient], sums, new LocalExchange(plan.Shards));
            var scale = 1f;
            if (plan.ClipNorm is { } maximum)
            {
                var squares = new double[GradientNorm.Blocks(gradient.Length)];
                GradientNorm.BlockSums(gradient.Span[..plan.Model.Layout.Length], squares);
                scale = GradientNorm.Scale(GradientNorm.Combine(squares), leaf.Length, maximum);
            }

            foreach (var slot in plan.Model.Layout.Slots)
            {
                var (first, length) = (slot.Offset, slot.Shape.Elements);
                plan.Optimizer.Update(
                    plan.StepOf(step, reductions: 0, leaf.Length, slot.Decays || plan.Experiment.Optimizer.DecayBiases, scale),
                    own[0].AsSpan(first, length),
                    gradient.Span.Slice(first, length),
                    own.Count > 1 ? own[1].AsSpan(first, length) : [],
                    own.Count > 2 ? own[2].AsSpan(first, length) : [],
                    own[0].AsSpan(first, length));
            }

            (rows, loss) = (rows + leaf.Length, loss + sums[0].Loss);
        }

        return rows == 0 ? null : (own, rows, loss);
    }

    private static (List<float[]> Vectors, double Loss)? Sum(
        (List<float[]> Vectors, int Rows, double Loss)?[] leaves, int count, Func<(List<float[]> Vectors, int Rows, double Loss), (List<float[]>, double)> weighted)
    {
        return Under(0, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)count));

        (List<float[]> Vectors, double Loss)? Under(int first, int width)
        {
            if (first >= count)
            {
                return null;
            }

            if (width == 1)
            {
                return leaves[first] is { } leaf ? weighted(leaf) : null;
            }

            var (left, right) = (Under(first, width / 2), Under(first + (width / 2), width / 2));
            return (left, right) is ({ } one, { } other)
                ? ([.. one.Vectors.Zip(other.Vectors, static (a, b) => a.Zip(b, static (x, y) => x + y).ToArray())], one.Loss + other.Loss)
                : left ?? right;
        }
    }
}
