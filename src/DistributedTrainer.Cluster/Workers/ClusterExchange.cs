using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// Batch-norm statistics of the global batch, by way of the lead partition: sends the sums of the leaves computed
/// here, combined as far as the fixed tree allows, and waits for the total. A new assignment breaks the wait off,
/// since the missing leaves may now be this worker's own.
/// </summary>
internal sealed class ClusterExchange(TrainingPlan plan, WorkerInbox inbox, ServerLinks links, StepClock clock, Func<bool> abandoned) : IBatchStatisticsExchange
{
    private readonly FixedTree _tree = new(plan.Shards);
    private readonly SortedDictionary<int, TreeGather<ColumnSums>> _reports = [];
    private long _step;

    public long Generation { get; set; }

    /// <summary>The step that is computed; another one forgets what was reported of the last.</summary>
    public long Step
    {
        get => _step;
        set
        {
            if (_step != value)
            {
                _step = value;
                _reports.Clear();
            }
        }
    }

    public long Forward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total)
    {
        Send(slot, segments, leaves, flags: 0);
        return Await(slot, backward: false, total);
    }

    public void Backward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total)
    {
        Send(slot, segments, leaves, StatisticsFlags.Backward);
        Await(slot, backward: true, total);
    }

    public void Report(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves)
    {
        if (!_reports.TryGetValue(slot.Index, out var gather))
        {
            _reports.Add(slot.Index, gather = Gather(ColumnSums.CombineMoments));
        }

        ColumnSums.Offer(gather, slot, segments, leaves);
    }

    /// <summary>
    /// Sends what was reported of the step. To be called before its gradients are pushed, each time: nobody answers a
    /// report, so that one may have been lost with a connection.
    /// </summary>
    public void PushReports()
    {
        foreach (var (layer, gather) in _reports)
        {
            foreach (var (node, sums) in gather.Present())
            {
                links.PushStatistics(Generation, Step, layer, flags: 0, node, sums);
            }
        }
    }

    private void Send(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, byte flags)
    {
        clock.Computed();
        var gather = Gather(flags == 0 ? ColumnSums.CombineMoments : ColumnSums.Add);
        ColumnSums.Offer(gather, slot, segments, leaves);
        var present = gather.Present().ToList();
        for (var i = 0; i < present.Count; i++)
        {
            var last = i == present.Count - 1 ? StatisticsFlags.WantsTotal : (byte)0;
            links.PushStatistics(Generation, Step, slot.Index, (byte)(flags | last), present[i].Node, present[i].Value);
        }

        clock.Pushed();
    }

    private TreeGather<ColumnSums> Gather(Action<ColumnSums, ColumnSums> combine)
    {
        var step = Step;
        var gather = new TreeGather<ColumnSums>(_tree, combine, static _ => { });
        gather.Reset(shard => plan.Schedule.LeafRows(step, shard) > 0);
        return gather;
    }

    private long Await(BatchNormSlot slot, bool backward, Span<double> total)
    {
        lock (inbox.Gate)
        {
            long rows;
            while (!inbox.TryTakeTotal(slot.Index, backward, Step, total, out rows))
            {
                if (abandoned() || inbox.Broken is not null)
                {
                    throw new ExchangeAbandonedException();
                }

                Monitor.Wait(inbox.Gate, StepClock.Slice);
                clock.Looked();
            }

            clock.Waited();
            return rows * slot.Positions;
        }
    }
}
