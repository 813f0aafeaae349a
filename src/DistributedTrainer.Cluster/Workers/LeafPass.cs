using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Data;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// What one thread of a worker computes of a step: some of its leaves, in one pass over all of their rows. The threads have the
/// parameters in common; each has its own activations.
/// </summary>
internal sealed partial class LeafPass : IParameterFlow, IBatchStatisticsExchange
{
    // Evaluation in pieces of this many rows: bounds the activations; the sums run row by row, so it changes no bit.
    private const int EvaluationRows = 256;

    private TrainingPlan _plan;
    private readonly Workspace _workspace;
    private readonly UnitActivity _activity;
    private readonly FiniteCheck _finite;
    private readonly Augmenter? _augmenter;
    private readonly StepMeeting _meeting;
    private readonly int _passRows;

    // Those of all threads: a shard is with one of them at a time.
    private readonly ShardOrder?[] _orders;
    private readonly ShardResiduals? _residuals;

    // One place for each leaf that may be computed at once, used again in every step.
    private readonly LeafSegment[] _segments;
    private readonly NodeGradient[] _gradients;
    private readonly AlignedBuffer[] _values;
    private readonly LeafSums[] _sums;
    private readonly LeafFault[] _faults;

    // Leaves in which something is not finite, as far as it was looked at.
    private readonly bool[] _failed;

    // The leaves that are to be computed next, before it is known whether they lie in the workspace already.
    private readonly LeafSegment[] _chosen;
    private int _chosenCount;
    private int _segmentCount;

    // Shards that are still to be chosen from.
    private int[] _share = [];
    private int _next;
    private int _end;

    // The step whose rows lie in the workspace, in the segments; −1: none.
    private long _gathered = -1;

    // The gradients from here on are done, and were judged.
    private int _done;

    /// <param name="plan">The run.</param>
    /// <param name="threads">Of the worker.</param>
    /// <param name="meeting">Where they meet.</param>
    /// <param name="orders">Of the shards; all threads' own.</param>
    /// <param name="residuals">What was not sent yet of the shards' gradients; null: all is.</param>
    /// <param name="first">The pass of the step thread; null: this is it.</param>
    public LeafPass(TrainingPlan plan, int threads, StepMeeting meeting, ShardOrder?[] orders, ShardResiduals? residuals, LeafPass? first)
    {
        (_plan, _meeting, _orders, _residuals, IsFirst) = (plan, meeting, orders, residuals, first is null);
        _passRows = plan.PassRowsOf(threads);

        // Where shards take steps by themselves each has parameters of its own.
        _workspace = plan.Model.CreateWorkspace(plan.Loss, Math.Max(EvaluationRows, _passRows), plan.IsAveraged ? null : first?._workspace);
        _activity = new UnitActivity(_workspace);
        _finite = new FiniteCheck(plan.Model, _workspace, plan.Shards);
        _augmenter = plan.Augmentation.Length > 0 ? new Augmenter(plan.Augmentation) : null;
        _segments = new LeafSegment[plan.Shards];
        _chosen = new LeafSegment[plan.Shards];
        _gradients = new NodeGradient[plan.Shards];
        _values = new AlignedBuffer[plan.Shards];
        _sums = new LeafSums[plan.Shards];
        _faults = new LeafFault[plan.Shards];
        _failed = new bool[plan.Shards];
        Local = plan.IsAveraged ? new LocalCourse(plan, _workspace, first?.Local) : null;
        IsReleased = () => _meeting.Held > Met || _meeting.IsBroken;
        IsAwaited = () => _meeting.Awaited >= Wanted || _meeting.IsBroken;
    }

    /// <summary>Whether it is the step thread's, which is never without leaves where others have some.</summary>
    public bool IsFirst { get; }

    public Workspace Workspace => _workspace;

    public Span<float> Parameters => _workspace.Parameters;

    public Span<float> Buffers => _workspace.Buffers;

    /// <summary>The leaves whose rows lie in the workspace.</summary>
    public ReadOnlySpan<LeafSegment> Segments => _segments.AsSpan(0, _segmentCount);

    /// <summary>Gradients of the leaves.</summary>
    public ReadOnlySpan<NodeGradient> Gradients => _gradients.AsSpan(0, _segmentCount);

    /// <summary>What is wrong with the leaves, when the pass is over.</summary>
    public ReadOnlySpan<LeafFault> Faults => _faults.AsSpan(0, _segmentCount);

    /// <summary>Rows of the leaves.</summary>
    public int Rows => _segmentCount == 0 ? 0 : _segments[_segmentCount - 1].FirstRow + _segments[_segmentCount - 1].Rows;

    /// <summary>Whether shards are left that were not chosen.</summary>
    public bool HasMore => _next < _end;

    /// <summary>Of the leaves since this was emptied: the one where numbers stopped being finite first in the course of a pass; null: none.</summary>
    public LeafFinding? Finding { get; set; }

    /// <summary>From here on the gradients of all leaves are done and finite, where they are asked for before the pass is over.</summary>
    public int Done => Volatile.Read(ref _done);

    /// <summary>Whether something was found that is not finite.</summary>
    public bool HasFailed => _failed.AsSpan(0, _segmentCount).Contains(true);

    /// <summary>Whether sums of gradients are made before the pass is over; the step thread says so at the turn.</summary>
    public bool IsEarly { get; set; }

    // What the meeting keeps of each.
    public int FirstSegment { get; private set; }

    public int Met { get; set; }

    public int Wanted { get; set; }

    public Func<bool> IsReleased { get; }

    public Func<bool> IsAwaited { get; }

    /// <summary>The same run in another mode.</summary>
    public void Follow(TrainingPlan plan) => _plan = plan;

    /// <summary>A step begins.</summary>
    /// <param name="firstSegment">Leaves of the passes before this one.</param>
    public void Join(int firstSegment)
    {
        (FirstSegment, Met, IsEarly) = (firstSegment, 0, false);
        _done = _plan.Model.Layout.Length;
    }

    /// <summary>Its shards among those that are to be computed: from one place up to before another.</summary>
    public void Take(int[] shards, int from, int to) => (_share, _next, _end) = (shards, from, to);

    /// <summary>Chooses leaves of its shards, as many as are computed at once.</summary>
    public void Choose(long step)
    {
        (_chosenCount, var row) = (0, 0);
        for (; _next < _end; _next++)
        {
            var rows = _plan.Schedule.LeafRows(step, _share[_next]);
            if (_chosenCount > 0 && row + rows > _passRows)
            {
                return;
            }

            _chosen[_chosenCount++] = new LeafSegment(_share[_next], row, rows);
            row += rows;
        }
    }

    /// <summary>Whether the rows of the chosen leaves of a step lie in the workspace.</summary>
    public bool IsGathered(long step) => _gathered == step && Segments.SequenceEqual(_chosen.AsSpan(0, _chosenCount));

    /// <summary>Brings them there, if they are not. They stay until others come, for an exchange that is broken off and repeated.</summary>
    public void Gather(long step)
    {
        if (IsGathered(step))
        {
            return;
        }

        (_segmentCount, _gathered) = (_chosenCount, -1);
        if (_segmentCount == 0)
        {
            return;
        }

        _chosen.AsSpan(0, _chosenCount).CopyTo(_segments);
        var rows = Rows;
        foreach (var segment in Segments)
        {
            Gather(_plan.Data.Training, OrderOf(segment.Leaf).Rows(step), rows, segment.FirstRow);
            Augment(step, segment, rows);
        }

        _workspace.LookAtInput(rows);
        _gathered = step;
    }

    /// <summary>Gives each leaf a place for its gradient.</summary>
    public void Rent(GradientPool pool)
    {
        for (var i = 0; i < _segmentCount; i++)
        {
            _gradients[i] = pool.Rent();
            _values[i] = _gradients[i].Values;
        }
    }

    /// <summary>Writes down what is known of the leaves when the pass turns.</summary>
    public void Count()
    {
        for (var i = 0; i < _segmentCount; i++)
        {
            (_gradients[i].LossSum, _gradients[i].Rows, _gradients[i].Fault) = (_sums[i].Loss, _segments[i].Rows, LeafFault.None);
        }
    }

    /// <summary>Computes the leaves whose rows are there, and judges them.</summary>
    public void Train(long step)
    {
        _workspace.Train(step, _plan.Seed, Segments, _values, _sums, this, this);
        for (var i = 0; i < _segmentCount; i++)
        {
            _faults[i] = FaultOf(i);
            if (!IsEarly)
            {
                _gradients[i].Fault = _faults[i];
                Compress(i, step);
            }
        }
    }

    void IParameterFlow.Await(int end) => _meeting.Await(this, end);

    void IParameterFlow.Turn()
    {
        _meeting.Turn(this);
        if (!_meeting.Flows)
        {
            Count();
        }

        for (var i = 0; i < _segmentCount; i++)
        {
            _failed[i] = !_finite.Passes(i, _sums[i]);
        }
    }

    void IParameterFlow.Done(int start)
    {
        if (IsEarly)
        {
            for (var i = 0; i < _segmentCount; i++)
            {
                _failed[i] = _failed[i] || !_finite.Passes(i, _values[i], start, _done);
            }

            // What did not pass is looked for in the leaf's own numbers, which a sum would overwrite.
            if (!HasFailed)
            {
                Volatile.Write(ref _done, start);
                _meeting.Progress(this);
            }
        }
    }

    long IBatchStatisticsExchange.Forward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total) =>
        _meeting.Forward(this, slot, segments, leaves, total);

    void IBatchStatisticsExchange.Backward(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total) =>
        _meeting.Backward(this, slot, segments, leaves, total);

    void IBatchStatisticsExchange.Report(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves) =>
        _meeting.Report(slot, segments, leaves);

    private LeafFault FaultOf(int i)
    {
        if (!_failed[i] && _finite.Passes(i, _values[i], 0, _done))
        {
            return LeafFault.None;
        }

        var found = _finite.Find(i, _sums[i], _values[i], _done);
        if (Finding is null || found.Order < Finding.Found.Order)
        {
            Finding = new LeafFinding(_segments[i].Leaf, found);
        }

        return LeafFault.NotFinite | (found.InParameters ? LeafFault.InParameters : LeafFault.None);
    }

    /// <summary>Leaves what the codec can write of a leaf's gradient, whether it travels or not.</summary>
    private void Compress(int i, long step)
    {
        if (_residuals is not null)
        {
            _residuals.Round(_segments[i].Leaf, step, _values[i].Span);
        }
        else
        {
            _plan.Codec?.RoundLeaf(_values[i].Span);
        }
    }
}
