using Akka.Actor;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

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
    private readonly Action<string> _log;
    private readonly Dictionary<int, IActorRef> _partitions = [];
    private readonly Dictionary<WorkerId, IActorRef> _workers = [];
    private RunId _run;
    private IProtocolMessage? _answer;
    private TrainingPlan? _plan;
    private DataPlaneServer? _dataPlane;

    public NodeAgent(NodeOptions options, NodeId node, IActorRef coordinator, Action<string> log, Action<string> shutdown)
    {
        _options = options;
        _node = node;
        _coordinator = coordinator;
        _log = log;

        Receive<RegisterDue>(_ => _coordinator.Tell(new Nodes.Register(
            _node, [.. options.Roles], options.Host, Environment.ProcessId, [], options.Roles.Contains("worker") ? options.Workers : 0)));
        Receive<Nodes.Registered>(_ => Timers.StartPeriodicTimer(RegisterDue.Instance, RegisterDue.Instance, RegisterInterval * 8));
        Receive<Nodes.Prepare>(prepare => Prepare(prepare));
        Receive<PlanReady>(ready => ready.Prepare.Run == _run, ready => Ready(ready));
        Receive<Partitions.Host>(host => host.Run == _run && _plan is not null, host => Host(host));
        Receive<Partitions.Fence>(
            fence => fence.Run == _run && _partitions.ContainsKey(fence.Partition.Value), fence => _partitions[fence.Partition.Value].Forward(fence));
        Receive<Protocol.Workers.Assign>(assign => assign.Run == _run && _plan is not null, assign => WorkerFor(assign.Worker).Forward(assign));
        Receive<Nodes.EndRun>(end => end.Run == _run, _ => Clear());
        Receive<Nodes.Shutdown>(stop =>
        {
            Clear();
            shutdown(stop.Reason);
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(NodeOptions options, NodeId node, IActorRef coordinator, Action<string> log, Action<string> shutdown) =>
        Akka.Actor.Props.Create(() => new NodeAgent(options, node, coordinator, log, shutdown));

    protected override void PreStart() => Timers.StartPeriodicTimer(RegisterDue.Instance, RegisterDue.Instance, TimeSpan.Zero, RegisterInterval);

    protected override void PostStop() => Clear();

    private void Prepare(Nodes.Prepare prepare)
    {
        if (prepare.Run == _run)
        {
            // Asked again: the answer, if there is one yet, may have been lost.
            if (_answer is not null)
            {
                _coordinator.Tell(_answer);
            }

            return;
        }

        Clear();
        _run = prepare.Run;

        // Reading data takes a while: on another thread, and back by message.
        Task.Run(() =>
        {
            var problems = new List<string>();
            var result = ExperimentReader.Read(prepare.ExperimentYaml, "experiment.yaml", []);
            problems.AddRange(result.Problems.Select(static problem => problem.ToString()));
            var plan = result.Experiment is null ? null : TrainingPlan.Create(result.Experiment, prepare.BaseDirectory, prepare.Token, problems);
            return new PlanReady(prepare, plan, string.Join(' ', problems));
        }).PipeTo(Self, failure: cause => new PlanReady(prepare, null, cause.Message));
    }

    private void Ready(PlanReady ready)
    {
        _answer = Open(ready);
        _coordinator.Tell(_answer);
    }

    private IProtocolMessage Open(PlanReady ready)
    {
        if (ready.Plan is not { } plan)
        {
            return new Nodes.PrepareFailed(_run, _node, ready.Problem);
        }

        try
        {
            _dataPlane = _options.Roles.Contains("server") ? new DataPlaneServer(_options.Host, _node.Value, plan.Token, _log) : null;
        }
        catch (Exception problem) when (problem is IOException or ArgumentException)
        {
            return new Nodes.PrepareFailed(_run, _node, problem.Message);
        }

        _plan = plan;
        return new Nodes.Prepared(_run, _node, plan.InputsSha256, _dataPlane?.Addresses ?? []);
    }

    private void Host(Partitions.Host host)
    {
        if (_partitions.Count == 0)
        {
            var (plan, run, coordinator, lead) = (_plan!, _run, _coordinator, new PartitionEvents(lead: true));
            var hasLead = host.Partitions.Contains(PartitionId.Lead.Value);
            var statistics = hasLead ? new StatisticsBoard(plan) : null;
            var served = new Dictionary<int, Partition>();
            foreach (var id in host.Partitions)
            {
                var events = id == PartitionId.Lead.Value ? lead : new PartitionEvents(lead: false);
                var partition = new Partition(plan, plan.Ranges[id], host.Generation.Value, id == PartitionId.Lead.Value ? statistics : null, events);
                events.Actor = Context.ActorOf(PartitionActor.Props(run, partition, events.Steps, coordinator), $"partition-{id}-{run.Value}");
                _partitions.Add(id, events.Actor);
                served.Add(id, partition);
            }

            _dataPlane!.Serve(new ServedRun
            {
                Partitions = served,
                Statistics = statistics,
                Evaluations = hasLead ? new EvaluationBoard(plan, lead.Evaluated) : null,
                LinkLost = (worker, reason) => coordinator.Tell(new Partitions.LinkLost(run, new WorkerId(worker), reason), ActorRefs.NoSender),
            });
        }

        foreach (var (id, partition) in _partitions)
        {
            partition.Tell(new Partitions.Fence(_run, new PartitionId(id), host.Generation));
        }
    }

    private IActorRef WorkerFor(WorkerId worker)
    {
        if (!_workers.TryGetValue(worker, out var actor))
        {
            actor = Context.ActorOf(
                WorkerActor.Props(_run, worker, _options.Host, _plan!, _coordinator), $"worker-{worker.Value.Replace('/', '-')}-{_run.Value}");
            _workers.Add(worker, actor);
        }

        return actor;
    }

    private void Clear()
    {
        foreach (var child in _workers.Values.Concat(_partitions.Values))
        {
            Context.Stop(child);
        }

        _workers.Clear();
        _partitions.Clear();
        _dataPlane?.Dispose();
        (_dataPlane, _plan, _run, _answer) = (null, null, default, null);
    }

    private sealed record PlanReady(Nodes.Prepare Prepare, TrainingPlan? Plan, string Problem) : INoSerializationVerificationNeeded;

    private sealed class RegisterDue : INoSerializationVerificationNeeded
    {
        public static readonly RegisterDue Instance = new();
    }
}
