using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>What a whole step of equally fast workers sends, from the shards that each gets and the tree they are summed in.</summary>
internal static class StepTraffic
{
    /// <summary>Leaves of the worker that has the most.</summary>
    public static int MostLeaves(TrainingPlan plan) => Shards(plan).Max(static own => own.Length);

    /// <summary>Tree nodes that all workers push together: a sum for each complete subtree that one of them holds.</summary>
    public static int PushedNodes(TrainingPlan plan) => Shards(plan).Sum(own => Present(plan, own).Count);

    /// <summary>
    /// Bytes of all workers' frames in one step, both ways: gradients, the next version, statistics of batch norm. Where gradients
    /// are made smaller: over a network; with top-k, where a sum has the elements of all its leaves, at most. Where shards take
    /// steps by themselves: parameters and the optimizer's state both ways, once in all of these steps, the mean of them.
    /// </summary>
    public static long Bytes(TrainingPlan plan)
    {
        var (parameters, buffers, parts) = ((long)plan.Model.Layout.Length * sizeof(float) * (1 + plan.AveragedVectors), (long)plan.Model.Buffers.Length * sizeof(float), plan.Ranges.Count);
        var bytes = 0L;
        foreach (var own in Shards(plan).Where(static own => own.Length > 0))
        {
            var present = Present(plan, own);
            var nodes = present.Count;
            var gradients = plan.Codec is null
                ? (nodes + 1) * parameters
                : present.Sum(node => Written(plan, node)) + Written(plan, new FixedTree(plan.Shards).Root);
            bytes += gradients + ((nodes + 1) * (long)parts * FrameFormat.HeaderBytes) + buffers;
            foreach (var slot in plan.Model.BatchNorms)
            {
                // Sums for each node go out; with sync a total comes back, and so again on the way back.
                var sums = FrameFormat.HeaderBytes + (2L * slot.Channels * sizeof(double));
                bytes += slot.Sync ? 2 * (nodes + 1) * sums : nodes * sums;
            }
        }

        return bytes / plan.After(0);
    }

    private static IEnumerable<int[]> Shards(TrainingPlan plan)
    {
        WorkerId[] workers = [.. Enumerable.Range(0, plan.Experiment.Cluster.Workers).Select(static worker => new WorkerId($"{worker}"))];
        var assignment = new ShardAssignment(plan.Shards);
        assignment.Rebalance(workers);
        return workers.Select(assignment.ShardsOf);
    }

    private static long Written(TrainingPlan plan, TreeNode node)
    {
        var leaves = Math.Min(plan.Shards, (node.Index + 1) << node.Level) - node.FirstLeaf;
        return plan.Ranges.Sum(range => (long)plan.Codec!.BytesOfSum(range.Length, leaves));
    }

    private static IReadOnlyList<TreeNode> Present(TrainingPlan plan, int[] shards)
    {
        var gather = new TreeGather<object>(new FixedTree(plan.Shards), static (_, _) => { }, static _ => { });
        gather.Reset(shard => plan.LeafRows(0, shard) > 0);
        foreach (var shard in shards.Where(shard => plan.LeafRows(0, shard) > 0))
        {
            gather.Offer(TreeNode.OfLeaf(shard), gather);
        }

        return [.. gather.Present().Select(static present => present.Node)];
    }
}
