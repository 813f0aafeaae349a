using Akka.Actor;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Supply;
using DistributedTrainer.Cluster.Telemetry;
using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Workers;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>A worker's control side: hands assignments to its step loop and reports how far it is.</summary>
internal sealed class WorkerActor : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan StatusInterval = TimeSpan.FromMilliseconds(500);

    private readonly StepLoop _loop;
    private readonly RowFetch _rows;
    private readonly RunId _run;
    private readonly WorkerId _worker;
    private readonly ICanTell _coordinator;
    private readonly NodeFigures _figures;

    public WorkerActor(RunId run, WorkerId worker, string host, TrainingPlan plan, ICanTell coordinator, int threads = 1, NodeFigures? figures = null)
    {
        (_run, _worker, _coordinator, _figures) = (run, worker, coordinator, figures ?? NodeFigures.Nobody);
        _loop = new StepLoop(plan, worker.Value, host, new Events(Self), threads: threads);
        _figures.Workers[worker.Value] = _loop;
        var self = Self;
        _rows = new RowFetch(plan.Data, (brought, problem) => self.Tell(new Here(brought, problem), ActorRefs.NoSender));
        var (shards, newest) = (0, default(Generation));

        Receive<Assign>(assign =>
        {
            if (assign.Generation.Value > newest.Value)
            {
                // The shards are placed: what was to come without them is not needed. The same again may cross a proposal.
                newest = assign.Generation;
                _rows.Keep(assign.Shards);
            }

            shards = assign.Shards.Length;
            _loop.Reassign(assign);
        });
        Receive<Bring>(bring => _rows.Want(bring.Shards));
        Receive<Here>(here => coordinator.Tell(new Brought(run, worker, here.Shards, here.Problem), Self));
        Receive<StatusDue>(_ =>
        {
            var state = _loop.IsConnecting ? Protocol.Workers.Status.Connecting : shards == 0 ? Protocol.Workers.Status.Standby : Protocol.Workers.Status.Training;
            coordinator.Tell(new Protocol.Workers.Status(run, worker, new StepId(_loop.Version), _loop.RowsComputed, state, _loop.Costs), Self);
            TellSpans();
        });
        Receive<Pause>(_ => TellSpans());
        Receive<Lost>(lost => coordinator.Tell(new LinkLost(run, worker, new NodeId(lost.Server), lost.Reason), Self));
        Receive<Found>(found => coordinator.Tell(new NotFinite(run, worker, new StepId(found.Step), found.Finding.Shard, found.Finding.Found.Order, found.Finding.Found.Where), Self));
        Receive<Seen>(seen => coordinator.Tell(new Described(run, worker, new StepId(seen.Version), seen.Tensors), Self));
        Receive<Broken>(broken => coordinator.Tell(new Failed(run, worker, new StepId(broken.Step), broken.Reason), Self));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    public static Props Props(RunId run, WorkerId worker, string host, TrainingPlan plan, ICanTell coordinator, int threads = 1, NodeFigures? figures = null) =>
        Akka.Actor.Props.Create(() => new WorkerActor(run, worker, host, plan, coordinator, threads, figures));

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(StatusDue.Instance, StatusDue.Instance, TimeSpan.Zero, StatusInterval);
        _loop.Start();
    }

    protected override void PostStop()
    {
        TellSpans();
        _figures.Workers.TryRemove(new(_worker.Value, _loop));
        _rows.Dispose();
        _loop.Dispose();
    }

    private void TellSpans()
    {
        foreach (var recorded in SpanReport.Take(_loop.Record, _run, _figures.Node, _worker.Value, _figures.Clock))
        {
            _coordinator.Tell(recorded, Self);
        }
    }

    private sealed class Events(IActorRef actor) : IStepLoopEvents
    {
        public void LinkLost(string server, string reason) => actor.Tell(new Lost(server, reason));

        public void NotFinite(long step, LeafFinding finding) => actor.Tell(new Found(step, finding));

        public void Described(long version, ParameterSummary[] tensors) => actor.Tell(new Seen(version, tensors));

        public void Pauses() => actor.Tell(Pause.Instance);

        public void Failed(long step, Exception cause) => actor.Tell(new Broken(step, $"{cause.GetType().Name}: {cause.Message}"));
    }

    private sealed record Here(int[] Shards, string? Problem) : INoSerializationVerificationNeeded;

    private sealed record Lost(string Server, string Reason) : INoSerializationVerificationNeeded;

    private sealed record Found(long Step, LeafFinding Finding) : INoSerializationVerificationNeeded;

    private sealed record Seen(long Version, ParameterSummary[] Tensors) : INoSerializationVerificationNeeded;

    private sealed record Broken(long Step, string Reason) : INoSerializationVerificationNeeded;

    private sealed class Pause : INoSerializationVerificationNeeded
    {
        public static readonly Pause Instance = new();
    }

    private sealed class StatusDue : INoSerializationVerificationNeeded
    {
        public static readonly StatusDue Instance = new();
    }
}
