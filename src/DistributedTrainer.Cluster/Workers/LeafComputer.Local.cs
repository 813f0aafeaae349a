using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>Shards that take steps by themselves: each has parameters of its own, so that they are computed one after the other.</summary>
internal sealed partial class LeafComputer
{
    // Places in the course of one pass; the steps before it come before all of them.
    private const int OrderBits = 16;

    // Null: gradients are summed instead.
    private readonly LocalCourse? _local;

    /// <summary>Where what is averaged of the optimizer's state goes with the parameters; empty: nothing is.</summary>
    public AlignedBuffer[] State => _local?.CommonState ?? [];

    /// <summary>How often the learning rate was lowered before the step; of use where steps are taken here.</summary>
    public int Reductions { get; set; }

    private int ComputeApart(int[] shards, IBatchStatisticsExchange exchange)
    {
        var rows = 0;
        _local!.BeginRound();
        for (var shard = 0; shard < _plan.Shards; shard++)
        {
            if (IsToCompute(shards, shard, _step, all: false))
            {
                rows += ComputeApart(shard, exchange);
            }
        }

        return rows;
    }

    /// <summary>All steps of one shard up to the next version.</summary>
    private int ComputeApart(int shard, IBatchStatisticsExchange exchange)
    {
        var result = _pool.Rent();
        (result.LossSum, result.Rows, result.Fault) = (0, _plan.LeafRows(_step, shard), LeafFault.None);
        _local!.Begin();
        try
        {
            var end = _plan.After(_step);
            for (var step = _step; step < end && result.Fault == LeafFault.None; step++)
            {
                if (_plan.Schedule.LeafRows(step, shard) is var rows and > 0)
                {
                    result.LossSum += TakeStep(shard, step, rows, exchange, out var fault);
                    result.Fault = fault;
                }
            }

            if (result.Fault == LeafFault.None && _finite.FindInParameters() is { } found)
            {
                result.Fault = Found(shard, end - 1, found);
            }

            _local.Write((float)((double)result.Rows / _plan.RowsAfter(_step)), result.Values.Span);
        }
        finally
        {
            _local.End();
        }

        _computed[shard] = true;
        _nodes.Offer(TreeNode.OfLeaf(shard), result);
        return result.Rows;
    }

    /// <summary>Returns the loss. What is not finite is not applied, and ends the shard's course.</summary>
    private double TakeStep(int shard, long step, int rows, IBatchStatisticsExchange exchange, out LeafFault fault)
    {
        GatherLeaf(shard, step);
        _workspace.Train(step, _plan.Seed, _segments.AsSpan(0, 1), _local!.Gradients, _sums, exchange);
        if (!_finite.Passes(0, _sums[0], _local.Gradients[0]))
        {
            fault = Found(shard, step, _finite.Find(0, _sums[0], _local.Gradients[0]));
            return _sums[0].Loss;
        }

        if (_measures && shard == 0 && GradientNorms is null)
        {
            GradientNorms = ModelDescription.Norms(_plan.Model.Layout, _local.Gradients[0].Span, rows);
        }

        _local.Step(step, Reductions, rows);
        fault = LeafFault.None;
        return _sums[0].Loss;
    }

    private LeafFault Found(int shard, long step, NonFinite found)
    {
        // Parameters that a shard has come to by itself are gone where its steps are left out.
        var isCommon = found.InParameters && step == _step;
        var order = ((int)(step - _step) << OrderBits) + Math.Min(found.Order, (1 << OrderBits) - 1);
        if (Finding is null || order < Finding.Found.Order)
        {
            Finding = new LeafFinding(shard, new NonFinite(order, $"{found.Where} at step {step + 1}", isCommon));
        }

        return LeafFault.NotFinite | (isCommon ? LeafFault.InParameters : LeafFault.None);
    }

    private void PrepareFirst(int[] shards, long step)
    {
        for (var shard = 0; shard < _plan.Shards; shard++)
        {
            if (_plan.Schedule.LeafRows(step, shard) > 0 && Array.IndexOf(shards, shard) >= 0)
            {
                GatherLeaf(shard, step);
                return;
            }
        }
    }

    /// <summary>The rows of one leaf of one step; they may lie ready.</summary>
    private void GatherLeaf(int shard, long step)
    {
        _chosen[0] = new LeafSegment(shard, 0, _plan.Schedule.LeafRows(step, shard));
        if (_gathered != step || _segmentCount != 1 || _segments[0] != _chosen[0])
        {
            Gather(step, 1);
        }
    }
}
