using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>Shards that take steps by themselves: each has parameters of its own, so that they are computed one after the other.</summary>
internal sealed partial class LeafPass
{
    // Places in the course of one pass; the steps before it come before all of them.
    private const int OrderBits = 16;

    /// <summary>Null: gradients are summed instead.</summary>
    public LocalCourse? Local { get; }

    /// <summary>How often the learning rate was lowered before the step; of use where steps are taken here.</summary>
    public int Reductions { get; set; }

    /// <summary>The next of its shards, which it is to compute by itself; −1: there is none left.</summary>
    public int Apart { get; private set; }

    /// <summary>Where the result of that goes.</summary>
    public NodeGradient Result { get; set; } = null!;

    /// <summary>Goes on to the next of its shards.</summary>
    public void ChooseApart() => Apart = _next < _end ? _share[_next++] : -1;

    /// <summary>The rows of the first leaf of its next shard, read ahead.</summary>
    public void GatherApart(long step)
    {
        if (Apart >= 0 && _plan.Schedule.LeafRows(step, Apart) > 0)
        {
            GatherLeaf(Apart, step);
        }
    }

    /// <summary>All steps of one shard up to the next version.</summary>
    public void ComputeApart(long version)
    {
        var (shard, result) = (Apart, Result);
        (result.LossSum, result.Rows, result.Fault) = (0, _plan.LeafRows(version, shard), LeafFault.None);
        Local!.Begin();
        try
        {
            var end = _plan.After(version);
            for (var step = version; step < end && result.Fault == LeafFault.None; step++)
            {
                if (_plan.Schedule.LeafRows(step, shard) is var rows and > 0)
                {
                    result.LossSum += TakeStep(shard, version, step, rows, out var fault);
                    result.Fault = fault;
                }
            }

            if (result.Fault == LeafFault.None && _finite.FindInParameters() is { } found)
            {
                result.Fault = Found(shard, version, end - 1, found);
            }

            Local.Write((float)((double)result.Rows / _plan.RowsAfter(version)), result.Values.Span);
        }
        finally
        {
            Local.End();
        }
    }

    /// <summary>Returns the loss. What is not finite is not applied, and ends the shard's course.</summary>
    private double TakeStep(int shard, long version, long step, int rows, out LeafFault fault)
    {
        GatherLeaf(shard, step);
        _workspace.Train(step, _plan.Seed, _segments.AsSpan(0, 1), Local!.Gradients, _sums, this);
        if (!_finite.Passes(0, _sums[0], Local.Gradients[0]))
        {
            fault = Found(shard, version, step, _finite.Find(0, _sums[0], Local.Gradients[0]));
            return _sums[0].Loss;
        }

        Local.Step(step, Reductions, rows);
        fault = LeafFault.None;
        return _sums[0].Loss;
    }

    private LeafFault Found(int shard, long version, long step, NonFinite found)
    {
        // Parameters that a shard has come to by itself are gone where its steps are left out.
        var isCommon = found.InParameters && step == version;
        var order = ((int)(step - version) << OrderBits) + Math.Min(found.Order, (1 << OrderBits) - 1);
        if (Finding is null || order < Finding.Found.Order)
        {
            Finding = new LeafFinding(shard, new NonFinite(order, $"{found.Where} at step {step + 1}", isCommon));
        }

        return LeafFault.NotFinite | (isCommon ? LeafFault.InParameters : LeafFault.None);
    }

    /// <summary>The rows of one leaf of one step; they may lie ready.</summary>
    private void GatherLeaf(int shard, long step)
    {
        (_chosen[0], _chosenCount) = (new LeafSegment(shard, 0, _plan.Schedule.LeafRows(step, shard)), 1);
        Gather(step);
    }
}
