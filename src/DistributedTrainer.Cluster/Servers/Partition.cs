using System.Diagnostics;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>What a partition tells its actor; called from the thread that completed a step.</summary>
internal interface IPartitionEvents
{
    /// <param name="step">The step.</param>
    /// <param name="lossSum">Loss summed over its rows.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="learningRate">Its learning rate.</param>
    /// <param name="skipped">Whether it was left out, since it was not finite.</param>
    void StepApplied(long step, double lossSum, int rows, float learningRate, bool skipped);

    /// <summary>What a step that is described was applied with, before it was clipped.</summary>
    /// <param name="step">The step.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="squares">Sums of squares of the gradient summed over them, one for each described tensor that lies here in whole or in part.</param>
    void Measured(long step, int rows, double[] squares);

    /// <summary>Nothing was applied of this step, and nothing will be after it.</summary>
    void NotFinite(long step);

    void Failed(long step, string reason);

    /// <summary>This version was put aside.</summary>
    void SnapshotTaken(long version);

    /// <summary>All of the state that the partition begins with has come.</summary>
    void Restored();
}

/// <summary>
/// One contiguous range of the parameters: gathers the leaves of a step in the fixed tree, applies the optimizer,
/// publishes the next version and keeps the previous one, which a worker may need that recomputes a lost leaf.
/// Safe for any number of threads; a push never waits for an actor's mailbox.
/// </summary>
internal sealed partial class Partition : IDisposable
{
    private readonly object _gate = new();
    private readonly TrainingPlan _plan;
    private readonly PartitionRange _range;
    private readonly IPartitionEvents _events;
    private readonly StatisticsBoard? _statistics;
    private readonly TreeGather<LeafBuffer> _leaves;
    private readonly LeafBufferPool _buffers;
    private readonly VersionShelf _versions;
    private readonly AlignedBuffer[] _state;
    private readonly UpdatePass _update;

    // Where shards take steps by themselves; null: what they push are gradients.
    private readonly AveragePass? _average;

    // Floats of what is pushed: the parameters, and behind them what else is averaged.
    private readonly int _width;
    private readonly int _versionLength;
    private ParameterVersion _current;
    private ParameterVersion? _previous;

    // A sum for each of the tree's inner nodes, as far as they come apart, and an update: some hundred steps, taken ten times a second.
    private const int RecordedSpans = 2048;

    private long _updates;
    private long _updateTicks;

    // The version that early stopping may go back to.
    private ParameterVersion? _best;

    // What the evaluations say of the step that is being gathered; it comes with each of its pushes.
    private Verdict _verdict;
    private long _generation;
    private bool _failed;
    private bool _disposed;

    // What the pushes of the step that is being gathered ask for.
    private CheckpointAsk _asked;

    /// <param name="plan">The run.</param>
    /// <param name="range">What it owns.</param>
    /// <param name="generation">The only one that may push.</param>
    /// <param name="statistics">The board of the lead partition, null in the others.</param>
    /// <param name="events">Who is told.</param>
    /// <param name="start">Where it begins.</param>
    /// <param name="checkpoints">When checkpoints are made, in the lead partition; null in the others.</param>
    /// <param name="norms">Where the partitions of one server meet; null: there is no other, or nothing to meet for.</param>
    /// <param name="memory">Where the versions of the partitions of one server lie; null: there is no other.</param>
    public Partition(
        TrainingPlan plan, PartitionRange range, long generation, StatisticsBoard? statistics, IPartitionEvents events,
        StartingPoint start = default, CheckpointSchedule? checkpoints = null, NormBoard? norms = null, VersionMemory? memory = null)
    {
        _plan = plan;
        _range = range;
        (_generation, LoadedIn) = (generation, generation);
        Record = new SpanRecord(plan.TimelineWindow, RecordedSpans);
        Record.Extend(start.Version + TimelineWindow.AfterChange);
        _statistics = statistics;
        _events = events;
        _width = plan.WidthOf(range);
        _buffers = new LeafBufferPool(_width, plan.Codec);

        // A total that is to be rounded is made as a whole; one that is not, while the optimizer reads it.
        _leaves = new TreeGather<LeafBuffer>(new FixedTree(plan.Shards), static (left, right) => left.Add(right), _buffers.Return, keepHalves: plan.Codec is null);
        _state = [.. Enumerable.Range(0, plan.StateVectors - plan.AveragedVectors).Select(_ => new AlignedBuffer(range.Length))];
        _update = new UpdatePass(plan, range, plan.IsAveraged ? [] : _state[..plan.Optimizer.StateVectors]);
        _average = plan.IsAveraged ? new AveragePass(_width) : null;
        _versionLength = plan.VersionLength(range);
        _versions = new VersionShelf(range.Id, _versionLength, memory ?? new VersionMemory(plan, [range.Id]));
        _copies = new Spares<ParameterVersion>(spares => new ParameterVersion(new SharedFloats(range.Length), spares));
        (_verdict, _checkpoints) = (start.Verdict, checkpoints);
        _residualVersions = new long[plan.ResidualVectors];
        Array.Fill(_residualVersions, start.Version);
        if (plan.ClipsWholeSteps)
        {
            _norms = norms ?? new NormBoard(plan);
            _norms.Add(range.Id);
            _norms.Completed += OnNorm;
            _squares = new double[_norms.BlocksOf(range.Id)];
        }

        var policy = UpdatePolicy.Of(plan.Experiment.Training);
        if (!policy.WaitsForAll)
        {
            (_loose, _order) = (new LooseSteps(plan, policy, start.Version), new OrderLog(start.Version));
            _order.Generation(generation);
        }

        _current = IsLoose ? _versions.Rent().Open(start.Version, _verdict) : NewVersion(start.Version);
        ResetGather();
        if (start.Version > 0)
        {
            _missing = BeginRestoring();
            return;
        }

        var parameters = new AlignedBuffer(plan.Model.Layout.Length);
        var runningStatistics = new float[plan.Model.Buffers.Length];
        plan.Initialize(parameters.Span, runningStatistics);
        parameters.Span.Slice(range.Offset, range.Length).CopyTo(_current.Values.Span);
        if (statistics is not null)
        {
            runningStatistics.CopyTo(_current.Values.Span[_width..]);
        }
    }

    public PartitionRange Range => _range;

    /// <summary>What recorded steps were spent on.</summary>
    public SpanRecord Record { get; }

    /// <summary>Updates that were applied here.</summary>
    public long Updates => Volatile.Read(ref _updates);

    /// <summary>The time that they took.</summary>
    public TimeSpan UpdateTime => Stopwatch.GetElapsedTime(0, Volatile.Read(ref _updateTicks));

    /// <summary>The newest published version.</summary>
    public long Version
    {
        get
        {
            lock (_gate)
            {
                return CurrentStep;
            }
        }
    }

    /// <summary>The one that comes after it.</summary>
    public long NextVersion => After(Version);

    /// <summary>The generation that it begins with: whatever is older belongs to a course of the run that was given up.</summary>
    public long LoadedIn { get; }

    /// <summary>The only generation that may push.</summary>
    public long Generation
    {
        get
        {
            lock (_gate)
            {
                return _generation;
            }
        }
    }

    /// <summary>The version that comes after one.</summary>
    public long After(long version) => _plan.After(version);

    /// <summary>From now on only this generation may push, if it is not an old one. Returns the one that may, and the current version.</summary>
    public (long Generation, long Version) Fence(long generation)
    {
        lock (_gate)
        {
            if (generation > _generation)
            {
                // What was gathered is pushed again by whoever goes on. Were it kept, this partition could take two steps
                // under an assignment that still begins with the version before.
                _generation = generation;
                (_held, _asked) = (false, CheckpointAsk.None);
                DropHeld();
                ResetGather();
                FenceLoose();
                Record.Extend(CurrentStep + TimelineWindow.AfterChange);
            }

            return (_generation, CurrentStep);
        }
    }

    /// <summary>A buffer for the push, or null with a reason (a refusal) or without (not needed any more).</summary>
    public LeafBuffer? Reserve(in FrameHeader push, out string? refusal)
    {
        var node = new TreeNode(push.Level, push.Index);
        lock (_gate)
        {
            if (IsLoose)
            {
                return ReserveLoose(push, node, out refusal);
            }

            refusal = Judge(push, node);
            return refusal is not null || push.Step < _current.Step || _failed || _held || AwaitsNorm || _leaves.Has(node) ? null : _buffers.Rent();
        }
    }

    /// <summary>Takes a push whose payload can be read where the worker keeps it. Returns a reason where it is refused.</summary>
    public string? Accept(in FrameHeader push, IPayloadLease lease)
    {
        if (Reserve(push, out var refusal) is { } buffer)
        {
            buffer.Borrow(lease);
            Complete(push, buffer);
        }
        else
        {
            lease.Dispose();
        }

        return refusal;
    }

    /// <summary>Takes a buffer that was filled; the leaf that completes the step also applies it.</summary>
    public void Complete(in FrameHeader push, LeafBuffer buffer)
    {
        var node = new TreeNode(push.Level, push.Index);
        buffer.LossSum = push.Sum;
        buffer.Rows = push.Rows;
        buffer.Fault = PushFlags.FaultIn(push.Flags);
        var normIsKnown = false;
        lock (_gate)
        {
            if (IsLoose)
            {
                CompleteLoose(push, node, buffer);
                return;
            }

            // The world may have moved on while the payload was under way.
            if (push.Step != _current.Step || push.Generation != _generation || _failed || _held || AwaitsNorm)
            {
                _buffers.Return(buffer);
                return;
            }

            if ((push.Flags & PushFlags.Open) != 0)
            {
                Keep(node, buffer);
                return;
            }

            _verdict = Verdict.Unpack(push.Count);
            _asked |= PushFlags.AskIn(push.Flags);
            _keepsUpdates |= (push.Flags & PushFlags.Written) != 0;
            Offer(node, buffer);
            if (_leaves.TryTakeHalves(out var left, out var right))
            {
                if (_norms is not null)
                {
                    normIsKnown = AwaitNorm(left, right);
                }
                else
                {
                    (_heldLeft, _heldRight) = (left, right);
                    ApplyHeld(1);
                }
            }
        }

        if (normIsKnown)
        {
            _norms!.Announce(push.Step);
        }
    }

    /// <summary>Gives back a buffer whose payload never came whole.</summary>
    public void Abandon(LeafBuffer buffer) => _buffers.Return(buffer);

    /// <summary>Sends a version as soon as it is there. False: it is too old to be had.</summary>
    public bool Pull(IChannel channel, long version, PullForm form = PullForm.Plain)
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return false;
            }

            if (IsLoose)
            {
                return PullLoose(channel, version);
            }

            if (version > _current.Step || (IsRestoring && version == _current.Step))
            {
                Await(channel, version, form);
                AskNorm(channel);
                return true;
            }

            var found = IsRestoring ? null : version == _current.Step ? _current : version == _previous?.Step ? _previous : version == _best?.Step ? _best : null;
            if (found is not null)
            {
                Send(channel, found, found.Step, form);
            }

            return found is not null;
        }
    }

    /// <summary>A closed channel waits for nothing.</summary>
    public void Forget(IChannel channel)
    {
        lock (_gate)
        {
            _waiting.RemoveAll(entry => ReferenceEquals(entry.Channel, channel));
            if (MemberAt(channel) is { } member)
            {
                member.Channel = null;
            }
        }
    }

    /// <summary>Nothing is served any more. What is still being read by a worker is given back when it has been read.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            (_disposed, _failed) = (true, true);
            _waiting.Clear();
            ReturnOpen();
            _leaves.Reset(static _ => false);
            DropHeld();
            FenceLoose();
            _current.Release();
            _previous?.Release();
            _best?.Release();
            _snapshot?.Dispose();
            _versions.Dispose();
            _copies.Dispose();
        }
    }

    private string? Judge(in FrameHeader push, TreeNode node)
    {
        if (push.Generation != _generation)
        {
            return StaleText(push.Generation);
        }

        if (push.Step > _current.Step || IsRestoring)
        {
            return $"step {push.Step} is ahead of version {_current.Step}";
        }

        return Misfit(push, node);
    }

    private string StaleText(long generation) => $"generation {generation} is not the current one, {_generation}";

    private string? Misfit(in FrameHeader push, TreeNode node)
    {
        if (!_leaves.Tree.Contains(node) || !FitsBytes(push))
        {
            return $"node {node} with {push.PayloadBytes} bytes does not fit {_plan.Shards} shards and {_width} {(_average is null ? "parameters" : "numbers of parameters and the optimizer's state")}";
        }

        var rows = _plan.RowsUnder(push.Step, node);
        return push.Rows == rows && rows > 0 ? null : $"node {node} of step {push.Step} has {rows} rows, not {push.Rows}";
    }

    private bool FitsBytes(in FrameHeader push) =>
        PushFlags.Closes(push) ? push.PayloadBytes == 0
        : (push.Flags & PushFlags.Written) != 0 ? _plan.Codec?.Fits(push.PayloadBytes, _range.Length) == true
        : push.PayloadBytes == _width * sizeof(float);

    private LeafFault FaultOf(LeafBuffer left, LeafBuffer? right) =>
        left.Fault | (right?.Fault ?? LeafFault.None) | (double.IsFinite(left.LossSum + (right?.LossSum ?? 0)) ? LeafFault.None : LeafFault.NotFinite);

    private void Apply(LeafBuffer left, LeafBuffer? right, float scale)
    {
        var step = _current.Step;
        CrashPoint.Reach("server.before-apply", step);
        var (loss, rows) = (left.LossSum + (right?.LossSum ?? 0), left.Rows + (right?.Rows ?? 0));

        // Before anything is changed: a half applied step could not be repeated. What decides is the same in all partitions.
        var fault = FaultOf(left, right);
        var skips = fault == LeafFault.NotFinite && _plan.SkipsNonFinite;
        if (fault != LeafFault.None && !skips)
        {
            _failed = true;
            _events.NotFinite(step);
            return;
        }

        if (_statistics?.Missing(step) is { } problem)
        {
            _failed = true;
            _events.Failed(step, problem);
            return;
        }

        if (_verdict.BestVersion == step && step > 0 && _plan.RestoresBest)
        {
            _best?.Release();
            _best = _current.Share();
        }

        var next = MakeNext(_plan.After(step));
        Record.Begin(step);
        var began = Stopwatch.GetTimestamp();
        if (skips)
        {
            _current.Values.Span[.._versionLength].CopyTo(next.Values.Span);
            next.IsSkipped = true;
        }
        else if (_average is not null)
        {
            _average.Run(left, right, next.Values);
        }
        else
        {
            _update.Run(step, _verdict.Reductions, rows, _current.Values, left, right, next.Values, scale);
        }

        Updated(began);
        if (_statistics is not null && !skips)
        {
            var statistics = next.Values.Span[_width.._versionLength];
            _current.Values.Span[_width.._versionLength].CopyTo(statistics);
            _statistics.UpdateRunning(step, statistics);
        }

        if (_keepsUpdates && !skips)
        {
            next.Keep(_plan.Codec!, left.Gradient, next.Values.Span[_range.Length.._versionLength], rows, scale);
        }

        CrashPoint.Reach("server.before-publish", step);
        (_previous, _current) = (_current, next);
        ResetGather();

        // Told before anybody can evaluate what came of it.
        Tell(step, loss, rows, skips);
        AnswerWaiting();

        // The workers compute meanwhile.
        if (!skips && _plan.MeasuresAt(step))
        {
            _events.Measured(step, rows, _update.SumSquaresOfTensors(left, right));
        }

        PutAside();
    }

    /// <summary>What shards have done by themselves is told step by step: with the mean loss of all of these steps, since no other is known here.</summary>
    private void Tell(long step, double loss, int rows, bool skips)
    {
        if (_average is null)
        {
            _events.StepApplied(step, loss, rows, _plan.LearningRate(step, _verdict.Reductions), skips);
            return;
        }

        for (; step < _current.Step; step++)
        {
            _events.StepApplied(step, loss / rows * _plan.RowsIn(step), _plan.RowsIn(step), _plan.LearningRate(step, _verdict.Reductions), skips);
        }
    }

    /// <summary>Adds it to what is there of the tree.</summary>
    private void Offer(TreeNode node, LeafBuffer buffer)
    {
        Record.Begin(_current.Step);
        if (!Record.IsRecording)
        {
            _leaves.Offer(node, buffer);
            return;
        }

        var began = Stopwatch.GetTimestamp();
        _leaves.Offer(node, buffer);
        Record.Add(SpanKind.Sum, began, Stopwatch.GetTimestamp());
    }

    private void Updated(long began)
    {
        var ended = Stopwatch.GetTimestamp();
        Record.Add(SpanKind.Update, began, ended);
        Volatile.Write(ref _updates, _updates + 1);
        Volatile.Write(ref _updateTicks, _updateTicks + ended - began);
    }

    private void ResetGather()
    {
        ReturnOpen();
        _update.SharesCores = false;
        var step = _current.Step;
        _leaves.Reset(shard => step < _plan.TotalSteps && _plan.LeafRows(step, shard) > 0);
    }

    /// <summary>
    /// Where the next version is written. All leaves of this step are here, so that everybody has the current version in all
    /// partitions, and the one before it is not needed any more: its memory may still lie in the caches.
    /// </summary>
    private ParameterVersion MakeNext(long step)
    {
        _previous?.Release();
        _previous = null;
        return NewVersion(step);
    }

    private ParameterVersion NewVersion(long step)
    {
        var version = _versions.Rent(step).Open(step, _verdict);
        version.Asks = _checkpoints?.Next(_plan.After(step), step) ?? CheckpointAsk.None;
        return version;
    }
}
