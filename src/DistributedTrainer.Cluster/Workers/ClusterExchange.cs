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
internal sealed class ClusterExchange(TrainingPlan plan, WorkerInbox inbox, ServerLinks links, Func<bool> abandoned) : IBatchStatisticsExchange
{
    private readonly FixedTree _tree = new(plan.Shards);

    public long Generation { get; set; }

    public long Step { get; set; }

    public long Forward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total)
    {
        Send(slot, segments, leaves, flags: 0, wantsTotal: true);
        return Await(slot, backward: false, total);
    }

    public void Backward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total)
    {
        Send(slot, segments, leaves, StatisticsFlags.Backward, wantsTotal: true);
        Await(slot, backward: true, total);
    }

    public void Report(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves) =>
        Send(slot, segments, leaves, flags: 0, wantsTotal: false);

    private void Send(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, byte flags, bool wantsTotal)
    {
        var step = Step;
        Action<ColumnSums, ColumnSums> combine = flags == 0 ? ColumnSums.CombineMoments : ColumnSums.Add;
        var gather = new TreeGather<ColumnSums>(_tree, combine, static _ => { });
        gather.Reset(shard => plan.Schedule.LeafRows(step, shard) > 0);
        ColumnSums.Offer(gather, slot.Channels, segments, leaves);
        var present = gather.Present().ToList();
        for (var i = 0; i < present.Count; i++)
        {
            var last = wantsTotal && i == present.Count - 1 ? StatisticsFlags.WantsTotal : (byte)0;
            links.PushStatistics(Generation, step, slot.Index, (byte)(flags | last), present[i].Node, present[i].Value);
        }
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

                Monitor.Wait(inbox.Gate);
            }

            return rows;
        }
    }
}
