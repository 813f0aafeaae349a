using Akka.Actor;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Supply;
using DistributedTrainer.Cluster.Telemetry;
using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Protocol;
using Microsoft.Extensions.Logging;

namespace DistributedTrainer.Cluster.Hosting;

/// <summary>
/// The one actor of a node that the coordinator talks to: registers the node, prepares runs, and starts partition and
/// worker actors as it is told.
/// </summary>
internal sealed class NodeAgent : ReceiveActor, IWithTimers
{
    // Repeated for good: a coordinator that moved learns its nodes anew.
    private static readonly TimeSpan RegisterInterval = TimeSpan.FromMilliseconds(250);

    private readonly NodeOptions _options;
    private readonly NodeId _node;
    private readonly IActorRef _coordinator;
    private readonly ILogger _logger;
    private readonly Action<string> _log;
    private readonly NodeFigures _figures;
    private readonly Dictionary<int, IActorRef> _partitions = [];
    private readonly Dictionary<WorkerId, IActorRef> _workers = [];
    private Nodes.Prepare? _prepared;
    private IProtocolMessage? _answer;
    private TrainingPlan? _plan;
    private DataPlaneServer? _dataPlane;
    private SupplyClient? _supply;

    // The coordinator that answered last; its clock is what times are compared with.
    private IActorRef _answering = ActorRefs.Nobody;

    // The newest generation that was heard of here, and the one that loaded the state which training goes on from.
    private Generation _newest;
    private Generation _loaded;

    // What the partitions were loaded with.
    private string[]? _settings;

    public NodeAgent(NodeOptions options, NodeId node, IActorRef coordinator, ILogger logger, Action<string> shutdown, Action? heard, NodeFigures? figures)
    {
        _options = options;
        _node = node;
        _coordinator = coordinator;
        (_logger, _log) = (logger, logger.Lines());
        _figures = figures ?? new NodeFigures(node, options.Roles);

        Receive<RegisterDue>(_ => _coordinator.Tell(new Nodes.Register(
            _node, [.. options.Roles], options.Host, Environment.ProcessId, options.Roles.Contains("worker") ? options.Workers : 0, _prepared?.Run, NodeClock.Now, options.Threads)));
        Receive<Nodes.Registered>(registered =>
        {
            heard?.Invoke();
            Compare(registered);
            Timers.StartPeriodicTimer(RegisterDue.Instance, RegisterDue.Instance, RegisterInterval * 8);
        });
        Receive<Nodes.Prepare>(prepare => Prepare(prepare));
        Receive<PlanReady>(ready => IsCurrent(ready.Prepare.Run), ready => Ready(ready));
        Receive<Nodes.Recall>(recall => IsCurrent(recall.Run), _ => _coordinator.Tell(new Nodes.Recalled(_prepared!, _node, _newest, _loaded, [.. _partitions.Keys], _settings)));
        Receive<Partitions.Host>(host => IsReadyFor(host.Run), host => Host(host));
        Receive<Partitions.Fence>(fence => IsReadyFor(fence.Run), fence =>
        {
            Note(fence.Generation);
            Forward(fence.Partition, fence);
        });
        Receive<Partitions.TakeSnapshot>(take => IsReadyFor(take.Run), take => Forward(take.Partition, take));
        Receive<Partitions.SnapshotDone>(done => IsReadyFor(done.Run), done => Forward(done.Partition, done));
        Receive<Partitions.AskCheckpoint>(ask => IsReadyFor(ask.Run), ask => Forward(PartitionId.Lead, ask));
        Receive<Partitions.StepsKept>(kept => IsReadyFor(kept.Run), kept => Forward(PartitionId.Lead, kept));
        Receive<Protocol.Workers.Assign>(assign => IsReadyFor(assign.Run), assign =>
        {
            Note(assign.Generation);
            _loaded = new Generation(Math.Max(_loaded.Value, assign.Loaded.Value));
            WorkerFor(assign.Worker).Forward(assign);
        });
        Receive<Protocol.Workers.Bring>(bring => IsReadyFor(bring.Run), bring => WorkerFor(bring.Worker).Forward(bring));
        Receive<Nodes.EndRun>(end => IsCurrent(end.Run), _ => Clear());
        Receive<Nodes.Shutdown>(stop =>
        {
            Clear();
            shutdown(stop.Reason);
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(NodeOptions options, NodeId node, IActorRef coordinator, ILogger logger, Action<string> shutdown, Action? heard = null, NodeFigures? figures = null) =>
        Akka.Actor.Props.Create(() => new NodeAgent(options, node, coordinator, logger, shutdown, heard, figures));

    protected override void PreStart() => Timers.StartPeriodicTimer(RegisterDue.Instance, RegisterDue.Instance, TimeSpan.Zero, RegisterInterval);

    protected override void PostStop() => Clear();

    private bool IsCurrent(RunId run) => _prepared?.Run == run;

    private bool IsReadyFor(RunId run) => IsCurrent(run) && _plan is not null;

    private void Note(Generation generation)
    {
        _newest = new Generation(Math.Max(_newest.Value, generation.Value));
        _figures.Note(_prepared?.Run, _newest);
    }

    private void Compare(Nodes.Registered registered)
    {
        if (!Sender.Equals(_answering))
        {
            _answering = Sender;
            _figures.Clock.Forget();
        }

        if (Sender.Path.Address.Host is not { } host || host == _options.Host)
        {
            _figures.Clock.IsTheSame();
        }
        else
        {
            _figures.Clock.Exchanged(registered.SentAt, registered.At, NodeClock.Now);
        }
    }

    private void Forward(PartitionId partition, object message)
    {
        if (_partitions.TryGetValue(partition.Value, out var actor))
        {
            actor.Forward(message);
        }
    }

    private void Prepare(Nodes.Prepare prepare)
    {
        if (IsCurrent(prepare.Run) && !IsFailedWithout(prepare.Data))
        {
            if (prepare.Data is { } data)
            {
                // A coordinator that began anew listens elsewhere.
                _supply?.MoveTo(data);
                _prepared = prepare;
            }

            // Asked again: the answer, if there is one yet, may have been lost.
            if (_answer is not null)
            {
                _coordinator.Tell(_answer);
            }

            return;
        }

        Clear();
        _prepared = prepare;
        _figures.Note(prepare.Run, default);

        // Reading data takes a while: on another thread, and back by message.
        _supply = prepare.Data is { } source ? new SupplyClient(source, prepare.Token, _options.Host, _node.Value, _log, _options.Certificates) : null;
        var (supply, log, hasWorkers, heldBytes) = (_supply, _log, _options.Roles.Contains("worker"), _options.HeldBytes);
        Task.Run(() =>
        {
            var problems = new List<string>();
            var (plan, supplied) = NodePlan.Create(prepare, supply, hasWorkers, log, problems, heldBytes);
            return new PlanReady(prepare, plan, string.Join(' ', problems), supplied);
        }).PipeTo(Self, failure: cause => new PlanReady(prepare, null, cause.Message, null));
    }

    /// <summary>Whether the run could not be prepared here, while its data was elsewhere than it is now.</summary>
    private bool IsFailedWithout(Nodes.DataSource? data) => _answer is Nodes.PrepareFailed && data is not null && _prepared?.Data?.Addresses.SequenceEqual(data.Addresses) != true;

    private void Ready(PlanReady ready)
    {
        _answer = Open(ready);
        _coordinator.Tell(_answer);
    }

    private IProtocolMessage Open(PlanReady ready)
    {
        if (ready.Plan is not { } plan)
        {
            return new Nodes.PrepareFailed(ready.Prepare.Run, _node, ready.Problem);
        }

        var (tooLittle, close) = MemoryCheck.OfNode(plan, [.. _options.Roles], _options.Workers, _options.Threads, MemoryCheck.Available);
        if (tooLittle is not null)
        {
            return new Nodes.PrepareFailed(ready.Prepare.Run, _node, tooLittle);
        }

        if (close is not null)
        {
            _logger.Say(LogLevel.Warning, $"Warning: {close}");
        }

        try
        {
            _dataPlane = _options.Roles.Contains("server") ? new DataPlaneServer(_options.Host, _node.Value, plan.Token, _log, _options.Bind, _options.Certificates) : null;
        }
        catch (Exception problem) when (problem is IOException or ArgumentException)
        {
            return new Nodes.PrepareFailed(ready.Prepare.Run, _node, problem.Message);
        }

        plan.Certificates = _options.Certificates;
        _plan = plan;
        return new Nodes.Prepared(ready.Prepare.Run, _node, plan.InputsSha256, _dataPlane?.Addresses ?? [], ready.Supplied, plan.Data is { IsSupplied: true, HoldsSupplied: false });
    }

    private void Host(Partitions.Host host)
    {
        if (host.Generation.Value < _newest.Value)
        {
            // An old message; or a coordinator that began anew and does not know how far the one before it came.
            _coordinator.Tell(new Partitions.Hosted(host.Run, _node, _newest));
            return;
        }

        Note(host.Generation);
        if (host.Generation.Value > _loaded.Value || _partitions.Count == 0)
        {
            // Whatever was here before belongs to another course of the run.
            StopPartitions();
            _loaded = host.Generation;
            Serve(host);
        }

        _coordinator.Tell(new Partitions.Hosted(host.Run, _node, host.Generation));
        foreach (var (id, partition) in _partitions)
        {
            partition.Tell(new Partitions.Fence(host.Run, new PartitionId(id), host.Generation));
        }
    }

    private void Serve(Partitions.Host host)
    {
        var (plan, run, coordinator) = (_plan!.With(host.Settings), host.Run, _coordinator);
        _settings = host.Settings;
        var lead = new PartitionEvents(run, lead: true);
        var hasLead = host.Partitions.Contains(PartitionId.Lead.Value);
        var statistics = hasLead ? new StatisticsBoard(plan, host.Generation.Value) : null;
        lead.Evaluations = hasLead ? new EvaluationBoard(plan, lead.Evaluated, host.Judgement) : null;
        var norms = plan.ClipsWholeSteps ? new NormBoard(plan) : null;
        var memory = new VersionMemory(plan, host.Partitions);
        var start = new StartingPoint(host.From.Value, Verdict.Unpack(host.Verdict));
        var served = new Dictionary<int, Partition>();
        foreach (var id in host.Partitions)
        {
            var isLead = id == PartitionId.Lead.Value;
            var events = isLead ? lead : new PartitionEvents(run, lead: false);
            var checkpoints = isLead ? new CheckpointSchedule(plan.Experiment.Checkpoint, plan.TotalSteps, TimeProvider.System, plan.PausesAt) : null;
            var partition = new Partition(plan, plan.Ranges[id], host.Generation.Value, isLead ? statistics : null, events, start, checkpoints, norms, memory);
            events.Actor = Context.ActorOf(
                PartitionActor.Props(run, partition, events.Steps, coordinator, isLead ? lead.Evaluations!.JudgementBefore : null, _figures),
                $"partition-{id}-{run.Value}-{host.Generation}");
            _partitions.Add(id, events.Actor);
            served.Add(id, partition);
        }

        _dataPlane!.Serve(new ServedRun
        {
            Partitions = served,
            Statistics = statistics,
            Evaluations = lead.Evaluations,
            Norms = norms,
            LinkLost = (worker, reason) => coordinator.Tell(new Partitions.LinkLost(run, new WorkerId(worker), reason), ActorRefs.NoSender),
        });
    }

    private IActorRef WorkerFor(WorkerId worker)
    {
        if (!_workers.TryGetValue(worker, out var actor))
        {
            actor = Context.ActorOf(
                WorkerActor.Props(_prepared!.Run, worker, _options.Host, _plan!, _coordinator, _options.Threads, _figures), $"worker-{worker.Value.Replace('/', '-')}-{_prepared.Run.Value}");
            _workers.Add(worker, actor);
        }

        return actor;
    }

    private void Clear()
    {
        foreach (var child in _workers.Values)
        {
            Context.Stop(child);
        }

        _workers.Clear();
        StopPartitions();
        _dataPlane?.Dispose();
        _supply?.Dispose();
        (_supply, _dataPlane, _plan, _prepared, _answer, _newest, _loaded, _settings) = (null, null, null, null, null, default, default, null);
        _figures.Note(null, default);
    }

    private void StopPartitions()
    {
        foreach (var child in _partitions.Values)
        {
            Context.Stop(child);
        }

        _partitions.Clear();
    }

    private sealed record PlanReady(Nodes.Prepare Prepare, TrainingPlan? Plan, string Problem, string? Supplied) : INoSerializationVerificationNeeded;

    private sealed class RegisterDue : INoSerializationVerificationNeeded
    {
        public static readonly RegisterDue Instance = new();
    }
}
