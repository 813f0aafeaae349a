using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// Batch-norm statistics of the global batch, by way of the lead partition: sends the sums of the leaves computed
/// here, combined as far as the fixed tree allows, and waits for the total. A new assignment breaks the wait off,
/// since the missing leaves may now be this worker's own. So does a lead partition that is two versions further, which
/// keeps no statistics of this step any more: somebody else's leaves came in time, and the next step needed none of here.
/// Who computes all leaves of a step knows the total: nothing is waited for then, and the sums are sent with the gradients,
/// since a leaf may yet move to somebody who waits for them.
/// </summary>
internal sealed class ClusterExchange : IBatchStatisticsExchange
{
    private readonly TrainingPlan _plan;
    private readonly WorkerInbox _inbox;
    private readonly ServerLinks _links;
    private readonly StepClock _clock;
    private readonly RepeatTimer _repeats;
    private readonly AlertWait _alert;
    private readonly Func<bool> _abandoned;
    private readonly Func<bool> _hasTotal;
    private readonly FixedTree _tree;

    // The moments of the step's leaves, by layer: a server may ask for them again.
    private readonly SortedDictionary<int, Gathered> _moments = [];
    private readonly List<(TreeNode Node, ColumnSums Value)> _sent = [];

    // The sums of the pass backwards, by layer, where all leaves were computed here.
    private readonly SortedDictionary<int, TreeGather<ColumnSums>> _own = [];
    private long _generation;
    private long _step = -1;
    private bool _sendsAll;
    private (int Layer, bool Backward) _awaited;

    public ClusterExchange(
        TrainingPlan plan, WorkerInbox inbox, ServerLinks links, StepClock clock, RepeatTimer repeats, AlertWait alert, Func<bool> abandoned)
    {
        (_plan, _inbox, _links, _clock, _repeats, _alert, _abandoned) = (plan, inbox, links, clock, repeats, alert, abandoned);
        _tree = new FixedTree(plan.Shards);
        _hasTotal = () => inbox.HasTotal(_awaited.Layer, _awaited.Backward, _step);
    }

    /// <summary>The assignment. Under a new one all that was sent of the step is sent again: another server may gather it.</summary>
    public long Generation
    {
        get => _generation;
        set
        {
            _sendsAll |= _generation != value;
            _generation = value;
        }
    }

    /// <summary>The step that is computed; another one forgets what was sent of the last. To be set after the generation.</summary>
    public long Step
    {
        get => _step;
        set
        {
            if (_step != value)
            {
                _step = value;
                _sendsAll = false;
                _moments.Clear();
                _own.Clear();
                _inbox.ExpectTotals(value);
            }
        }
    }

    public long Forward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total)
    {
        CrashPoint.Reach("worker.exchange", Step);
        var gathered = Offer(slot, segments, leaves, answered: true);
        if (HasAll(segments) && gathered.Moments.Total is { } own)
        {
            gathered.Answered = false;
            own.Values.CopyTo(total);
            return own.Rows;
        }

        Send(slot, gathered.Moments, flags: 0);
        return Await(slot, flags: 0, total);
    }

    public void Backward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total)
    {
        CrashPoint.Reach("worker.exchange", Step);
        var gather = Gather(ColumnSums.Add);
        ColumnSums.Offer(gather, slot, segments, leaves);
        if (gather.Total is { } own)
        {
            _own[slot.Index] = gather;
            own.Values.CopyTo(total);
            return;
        }

        Send(slot, gather, StatisticsFlags.Backward);
        Await(slot, StatisticsFlags.Backward, total);
    }

    public void Report(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves) => Offer(slot, segments, leaves, answered: false);

    /// <summary>
    /// Sends what was reported of the step, or was not waited for. To be called before its gradients are pushed, each time: nobody answers a
    /// report, so that one may have been lost.
    /// </summary>
    /// <param name="again">All moments, also those whose total has come: the server lacks a gradient of the step, and may lack its moments.</param>
    public void PushReports(bool again = false)
    {
        foreach (var (layer, gathered) in _moments)
        {
            if (gathered.Answered && !again && !_sendsAll)
            {
                continue;
            }

            gathered.Moments.Present(_sent);
            Send(layer, flags: 0, last: 0);
        }

        foreach (var (layer, gather) in _own)
        {
            gather.Present(_sent);
            Send(layer, StatisticsFlags.Backward, last: 0);
        }

        _sendsAll = false;
    }

    // Not whether the moments of all leaves are known here: of those that have moved, others wait for what is sent.
    private bool HasAll(ReadOnlySpan<LeafSegment> segments)
    {
        var leaves = 0;
        for (var shard = 0; shard < _plan.Shards; shard++)
        {
            leaves += _plan.Schedule.LeafRows(Step, shard) > 0 ? 1 : 0;
        }

        return segments.Length == leaves;
    }

    private Gathered Offer(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, bool answered)
    {
        if (!_moments.TryGetValue(slot.Index, out var gathered))
        {
            _moments.Add(slot.Index, gathered = new Gathered(Gather(ColumnSums.CombineMoments)) { Answered = answered });
        }

        ColumnSums.Offer(gathered.Moments, slot, segments, leaves);
        return gathered;
    }

    private void Send(BatchNormSlot slot, TreeGather<ColumnSums> gather, byte flags)
    {
        _clock.Computed();
        gather.Present(_sent);
        Send(slot.Index, flags, StatisticsFlags.WantsTotal);
        _clock.Pushed();
    }

    /// <param name="layer">Whose sums they are.</param>
    /// <param name="flags">Of all.</param>
    /// <param name="last">Of the last one besides.</param>
    private void Send(int layer, byte flags, byte last)
    {
        for (var i = 0; i < _sent.Count; i++)
        {
            _links.PushStatistics(Generation, Step, layer, (byte)(i == _sent.Count - 1 ? flags | last : flags), _sent[i].Node, _sent[i].Value);
        }
    }

    private TreeGather<ColumnSums> Gather(Action<ColumnSums, ColumnSums> combine)
    {
        var step = Step;
        var gather = new TreeGather<ColumnSums>(_tree, combine, static _ => { });
        gather.Reset(shard => _plan.Schedule.LeafRows(step, shard) > 0);
        return gather;
    }

    private long Await(BatchNormSlot slot, byte flags, Span<double> total)
    {
        _repeats.Begin();
        _awaited = (slot.Index, (flags & StatisticsFlags.Backward) != 0);
        _alert.Until(_hasTotal);
        long rows;
        while (!TryAwait(slot.Index, flags, total, out rows))
        {
            // A few numbers for each channel: sending them again costs less than asking whether they have come.
            Send(slot.Index, flags, StatisticsFlags.WantsTotal);
            _links.AskLead(Generation, Step);
            _repeats.Repeated();
        }

        _repeats.End();
        _clock.Waited();
        return rows * slot.Positions;
    }

    /// <summary>False: it takes long.</summary>
    private bool TryAwait(int layer, byte flags, Span<double> total, out long rows)
    {
        lock (_inbox.Gate)
        {
            while (!_inbox.TryTakeTotal(layer, (flags & StatisticsFlags.Backward) != 0, Step, total, out rows))
            {
                if (_abandoned() || _inbox.Broken is not null || IsOvertaken)
                {
                    throw new ExchangeAbandonedException();
                }

                if (_repeats.Remaining is var remaining && remaining == TimeSpan.Zero)
                {
                    return false;
                }

                Monitor.Wait(_inbox.Gate, remaining < StepClock.Slice ? remaining : StepClock.Slice);
                _clock.Looked();
            }

            return true;
        }
    }

    private bool IsOvertaken => _inbox.LeadVersion > _plan.After(Step);

    private sealed class Gathered(TreeGather<ColumnSums> moments)
    {
        /// <summary>Of the leaves that were computed here.</summary>
        public TreeGather<ColumnSums> Moments => moments;

        /// <summary>Whether their total is awaited: then they came.</summary>
        public bool Answered { get; set; }
    }
}
