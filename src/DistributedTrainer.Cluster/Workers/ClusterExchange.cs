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
/// Where all workers are of one host each shows its sums to the others and the server, and makes the total of what it finds:
/// the server is asked only where that takes long. Who computes all leaves of a step sends the sums with the gradients, since a
/// leaf may yet move to somebody who waits for them.
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
    private readonly NeighbourSums _neighbours;
    private readonly Func<bool> _isCollected;

    // The moments of the step's leaves, by layer: a server may ask for them again.
    private readonly SortedDictionary<int, Gathered> _moments = [];
    private readonly List<(TreeNode Node, ColumnSums Value)> _sent = [];

    // The sums of the pass backwards, by layer.
    private readonly SortedDictionary<int, Gathered> _sums = [];
    private TreeGather<ColumnSums> _collecting = null!;
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
        _neighbours = new NeighbourSums(plan, () => links.Seat);
        _isCollected = IsCollected;
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

    /// <summary>The course of the run: another one where training went back.</summary>
    public long Course
    {
        get => _neighbours.Course;
        set => _neighbours.Course = value;
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
                _sums.Clear();
                _inbox.ExpectTotals(value);
            }
        }
    }

    public long Forward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total)
    {
        CrashPoint.Reach("worker.exchange", Step);
        var gathered = Offer(slot, segments, leaves, answered: true);
        if (HasAll(segments) && gathered.Sums.Total is not null)
        {
            gathered.Shown = false;
            return Take(gathered, total);
        }

        if (IsMet(slot, gathered, flags: 0))
        {
            return Take(gathered, total);
        }

        gathered.Answered = true;
        Send(slot, gathered.Sums, flags: 0);
        return Await(slot, flags: 0, total);
    }

    public void Backward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total)
    {
        CrashPoint.Reach("worker.exchange", Step);
        if (!_sums.TryGetValue(slot.Index, out var gathered))
        {
            _sums.Add(slot.Index, gathered = new Gathered(Gather(ColumnSums.Add)));
        }

        ColumnSums.Offer(gathered.Sums, slot, segments, leaves);
        if (gathered.Sums.Total is not null || IsMet(slot, gathered, StatisticsFlags.Backward))
        {
            Take(gathered, total);
            return;
        }

        gathered.Answered = true;
        Send(slot, gathered.Sums, StatisticsFlags.Backward);
        Await(slot, StatisticsFlags.Backward, total);
    }

    public void Report(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves) => Offer(slot, segments, leaves, answered: false);

    /// <summary>
    /// Sends what was reported of the step, or was neither waited for nor shown. To be called before its gradients are pushed,
    /// each time: nobody answers a report, so that one may have been lost.
    /// </summary>
    /// <param name="again">All, also what has come or was shown: the server lacks a gradient of the step, and may lack its moments.</param>
    public void PushReports(bool again = false)
    {
        again |= _sendsAll;
        _sendsAll = false;
        foreach (var (layer, gathered) in _moments)
        {
            Report(layer, gathered, flags: 0, again);
        }

        foreach (var (layer, gathered) in _sums)
        {
            Report(layer, gathered, StatisticsFlags.Backward, again);
        }
    }

    private void Report(int layer, Gathered gathered, byte flags, bool again)
    {
        if (again || !(gathered.Answered || gathered.Shown))
        {
            gathered.Sums.Present(_sent);
            Send(layer, flags, last: 0);
        }
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

        ColumnSums.Offer(gathered.Sums, slot, segments, leaves);
        return gathered;
    }

    private static long Take(Gathered gathered, Span<double> total)
    {
        gathered.Answered = false;
        gathered.Sums.Total!.Values.CopyTo(total);
        return gathered.Sums.Total.Rows;
    }

    /// <summary>Makes the total with what the other workers of this host show. False: it has to be asked for.</summary>
    private bool IsMet(BatchNormSlot slot, Gathered gathered, byte flags)
    {
        _clock.Computed();
        gathered.Sums.Present(_sent);
        gathered.Shown = _neighbours.TryShow(Step, slot, (flags & StatisticsFlags.Backward) != 0, _sent);
        if (!gathered.Shown)
        {
            return false;
        }

        _clock.Pushed();
        _collecting = gathered.Sums;
        _alert.Until(_isCollected, byServer: false);
        if (_collecting.Total is null)
        {
            _neighbours.GoByServer();
            if (!IsCollected())
            {
                return false;
            }
        }

        _clock.Waited();
        if (_neighbours.IsWanted)
        {
            _collecting.Present(_sent);
            Send(slot.Index, flags, last: 0);
            _clock.Pushed();
        }

        return true;
    }

    private bool IsCollected()
    {
        _neighbours.Collect(_collecting);
        return _collecting.Total is not null;
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

    private sealed class Gathered(TreeGather<ColumnSums> sums)
    {
        /// <summary>Of the leaves that were computed here, and of those that were found.</summary>
        public TreeGather<ColumnSums> Sums => sums;

        /// <summary>Whether their total is awaited from the server: then they came.</summary>
        public bool Answered { get; set; }

        /// <summary>Whether the server can read them where the neighbours do.</summary>
        public bool Shown { get; set; }
    }
}
