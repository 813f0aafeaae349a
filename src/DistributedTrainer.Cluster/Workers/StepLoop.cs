using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Protocol;
using Assign = DistributedTrainer.Protocol.Workers.Assign;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>What a step loop tells its actor; called from the loop's own thread.</summary>
internal interface IStepLoopEvents
{
    void LinkLost(string server, string reason);

    /// <summary>Of the leaves of this step that were computed here, this is where numbers stopped being finite.</summary>
    void NotFinite(long step, LeafFinding finding);

    /// <summary>What the parameters of this version look like.</summary>
    void Described(long version, ParameterSummary[] tensors);

    /// <summary>An evaluation or the end comes next: a good moment to tell what was recorded.</summary>
    void Pauses();

    void Failed(long step, Exception cause);
}

/// <summary>
/// A worker's work, on a thread of its own: pull a version, compute the leaves that it holds, push them, pull the next.
/// It waits only for the servers, never for an actor. A new assignment breaks every wait off: what was computed of the
/// step stays, only the missing leaves are computed, and all is pushed again under the new generation.
/// </summary>
internal sealed partial class StepLoop : IDisposable
{
    // As it was prepared, and as it is since the state was loaded.
    private readonly TrainingPlan _prepared;
    private TrainingPlan _plan;
    private readonly string _name;
    private readonly IStepLoopEvents _events;
    private readonly WorkerInbox _inbox;
    private readonly ServerLinks _links;
    private readonly ClusterExchange _exchange;
    private readonly LeafComputer _computer;

    // What was not sent yet of the gradients of the shards here; null: all is.
    private readonly ShardResiduals? _residuals;
    private readonly AlertWait _alert;
    private readonly StepClock _clock;
    private readonly Thread _thread;
    private HomeCore? _home;

    // Made once, since a warm step allocates nothing.
    private readonly Func<bool> _isChanged;
    private readonly Func<bool> _isEvaluated;
    private readonly Func<bool> _isWhole;
    private readonly Action _pushReports;
    private Assign? _assignment;
    private Assign? _current;
    private bool _stopped;

    // The others have made versions without this worker's step: it goes on with theirs.
    private bool _isOvertaken;

    // From before the first connection to after the last; stays where one is not to be had.
    private volatile bool _connecting;
    private long _version = -1;

    // The generation that loaded the state which training goes on from.
    private long _loaded;

    // The generation that this loop has begun in, where each push is an update of its own.
    private long _loose;
    private long _rowsComputed;

    public StepLoop(TrainingPlan plan, string name, string host, IStepLoopEvents events, ResendTimes? times = null, int threads = 1)
    {
        (_prepared, _plan, _name) = (plan, plan, name);
        _events = events;
        times ??= ResendTimes.Default;
        Record = new SpanRecord(plan.TimelineWindow);
        _clock = new StepClock(TimeProvider.System, Record);
        (_versionRepeats, _verdictRepeats) = (new RepeatTimer(times), new RepeatTimer(times));
        _isChanged = () => Changed;
        _inbox = new WorkerInbox(plan, plan.Codec is null ? null : new Replica(plan));
        _links = new ServerLinks(plan, _inbox, name, host, plan.Transport, times);
        _alert = new AlertWait(times.Alert, _links, _inbox, _clock, _isChanged);
        _exchange = new ClusterExchange(plan, _inbox, _links, _clock, new RepeatTimer(times), _alert, _isChanged);
        _residuals = plan.ResidualVectors > 0 ? new ShardResiduals(plan) : null;
        _computer = new LeafComputer(plan, _residuals, threads, name);
        (_inbox.Reader, _inbox.Lends) = (_computer.Reader, plan.IsReadInPlace);
        (_isEvaluated, _isWhole, _isNextThere) = (() => _inbox.EvaluatedVersion >= _version, () => _inbox.IsWhole, () => _inbox.Has(_arrived));
        _isResidualThere = () => _inbox.IsResidualThere;
        _pushReports = () => _exchange.PushReports(again: true);
        _thread = new Thread(Run) { IsBackground = true, Name = $"steps of {name}" };
    }

    /// <summary>The version that the loop holds; −1 before the first.</summary>
    public long Version => Volatile.Read(ref _version);

    /// <summary>Whether a connection to a server is missing: it is being made, or was lost.</summary>
    public bool IsConnecting => _connecting || _inbox.Broken is not null;

    /// <summary>Rows whose gradients were computed so far.</summary>
    public long RowsComputed => Volatile.Read(ref _rowsComputed);

    /// <summary>What recorded steps were spent on.</summary>
    public SpanRecord Record { get; }

    /// <summary>What the steps cost so far.</summary>
    public StepCosts Costs => _clock.Costs(_links.Bytes);

    private bool Changed => _stopped || !ReferenceEquals(_assignment, _current);

    public void Start() => _thread.Start();

    /// <summary>
    /// Takes over an assignment; one older than the current is ignored. The current one again means that nothing is
    /// heard of this worker: where its connection is broken, it connects anew, since its report may have been lost.
    /// </summary>
    public void Reassign(Assign assignment)
    {
        lock (_inbox.Gate)
        {
            var ahead = assignment.Generation.Value - (_assignment?.Generation.Value ?? long.MinValue / 2);
            if (ahead > 0 || (ahead == 0 && _inbox.Broken is not null))
            {
                _assignment = assignment;
                Record.Extend(Math.Max(assignment.From.Value, Version) + TimelineWindow.AfterChange);
                Monitor.PulseAll(_inbox.Gate);
            }
        }
    }

    public void Dispose()
    {
        lock (_inbox.Gate)
        {
            _stopped = true;
            Monitor.PulseAll(_inbox.Gate);
        }

        _links.Dispose();
    }

    private void Run()
    {
        try
        {
            _home = HomeCore.Claim();
            FollowAssignments();
        }
        finally
        {
            _home?.Dispose();
            _inbox.Close();
            _computer.Dispose();
        }
    }

    private void FollowAssignments()
    {
        while (TakeAssignment())
        {
            try
            {
                FollowAssignment(_current!);
            }
            catch (ExchangeAbandonedException)
            {
                // The assignment changed, or a link broke, while statistics were awaited: both are looked at next. Or, if it
                // was neither, nobody needs them any more.
                _isOvertaken = _inbox.Broken is null;
            }
            catch (ChannelClosedException)
            {
                // The links noted which server it was.
            }
            catch (Exception cause)
            {
                // The coordinator decides what a failed computation means for the run.
                _events.Failed(_version, cause);
                return;
            }

            if (_inbox.Broken is { } reason && !_stopped)
            {
                _events.LinkLost(_inbox.BrokenServer ?? "", reason);
            }
        }
    }

    /// <summary>Waits for an assignment that has not been followed yet; false: stopped.</summary>
    private bool TakeAssignment()
    {
        lock (_inbox.Gate)
        {
            while (!Changed && !_isOvertaken)
            {
                Monitor.Wait(_inbox.Gate);
            }

            // Under a new assignment another partition may wait for a step that the lead partition has taken.
            _isOvertaken &= !Changed;
            _current = _assignment;
            return !_stopped;
        }
    }

    /// <summary>The same run in another mode.</summary>
    private void Follow(TrainingPlan plan)
    {
        _plan = plan;
        _links.Follow(plan);
        _computer.Follow(plan);
        _inbox.Lends = plan.IsReadInPlace;
    }

    /// <summary>
    /// Where each push is an update of its own, a gradient belongs to the generation in which it was computed: in a new one
    /// everybody begins with the parameters as they are then.
    /// </summary>
    private void BeginLoose(Assign assignment)
    {
        _links.Introduction = LooseMember.Introduction(assignment.Shards, _plan.Shards, _name);
        if (assignment.Generation.Value > _loose)
        {
            _loose = assignment.Generation.Value;
            _inbox.GoBack(_loose, assignment.From.Value);
            Volatile.Write(ref _version, -1);
        }
    }

    /// <summary>Returns when the assignment changed, a link broke, or there is nothing more to do.</summary>
    private void FollowAssignment(Assign assignment)
    {
        if (assignment.Loaded.Value > _loaded)
        {
            // What was computed after it belongs to a course that was given up.
            _loaded = assignment.Loaded.Value;
            Follow(_prepared.With(assignment.Settings));
            _inbox.GoBack(_loaded, assignment.From.Value);
            _residuals?.Forget();
            Volatile.Write(ref _version, -1);
            _arriving = -1;
        }

        if (_plan.IsLoose)
        {
            BeginLoose(assignment);
        }

        _connecting = true;
        _links.Connect(assignment.Routes, assignment.HostThreads);
        _connecting = false;
        CrashPoint.Reach("worker.joining", assignment.Generation.Value);
        var generation = assignment.Generation.Value;
        if (assignment.Shards.Length == 0 || !_plan.Data.Bring(assignment.Shards, _isChanged))
        {
            return;
        }

        var from = Math.Max(assignment.From.Value, _isOvertaken ? _inbox.LeadVersion : -1);
        _isOvertaken = false;
        if (from > _version || IsTorn)
        {
            if (!MoveTo(Math.Max(from, _version), generation, pushed: false))
            {
                return;
            }

            _arriving = -1;
        }
        else if (LacksParameters(assignment.Shards) && !Have(_version, generation, pushed: false))
        {
            return;
        }

        while (true)
        {
            if (!IsTorn && _plan.EvaluatesAt(_version) && !Evaluate(assignment))
            {
                return;
            }

            if (!HaveResiduals(assignment))
            {
                return;
            }

            Describe(assignment.Shards);
            if (_version == _plan.TotalSteps || (_inbox.Stopped && _inbox.EvaluatedVersion == _version))
            {
                _events.Pauses();
                return;
            }

            _home?.Settle();
            Record.Begin(IsTorn ? _arriving : _version);
            _clock.Begin();
            (_exchange.Generation, _exchange.Course) = (generation, _loaded);
            _exchange.Step = IsTorn ? _arriving : _version;
            _links.BeginPass();
            CrashPoint.Reach("worker.compute", _exchange.Step);
            _computer.Reductions = _inbox.Verdict.Reductions;
            Volatile.Write(ref _rowsComputed, _rowsComputed + _computer.Compute(assignment.Shards, _exchange.Step, _exchange, this));
            if (_computer.Finding is { } finding)
            {
                // Before the pushes, whose flags say it to the servers: so the cause is known when the step is judged.
                _events.NotFinite(_version, finding);
            }

            _clock.Computed();
            _exchange.PushReports();
            PushResiduals(assignment);
            _links.Push(generation, _version, _computer.Nodes);
            CrashPoint.Reach("worker.pushed", _version);
            _clock.Pushed();
            var next = _plan.After(_version);
            _computer.Prepare(assignment.Shards, next);
            _clock.Computed(SpanKind.Prepare);
            if (!(Flows(next) ? Approach(next, generation) : MoveTo(next, generation, pushed: true)))
            {
                return;
            }

            _clock.Stepped(_computer.Allocated);
        }
    }
}
