using Akka.Actor;
using DistributedTrainer.Cluster.Telemetry;
using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// A partition's control side: fences generations and reports progress. The step path itself runs on the data plane's
/// threads within <see cref="Partition"/> and never waits here.
/// </summary>
internal sealed class PartitionActor : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan ReportInterval = TimeSpan.FromMilliseconds(100);

    // After so many without an answer all is told again: a message may be lost, or the coordinator have begun anew.
    private const int PatienceInReports = 20;

    private readonly RunId _run;
    private readonly Partition _partition;
    private readonly StepLog _steps;
    private readonly ICanTell _coordinator;
    private readonly PartitionId _id;
    private readonly NodeFigures _figures;

    // The generation that was asked for last; null: none yet.
    private Generation? _fence;
    private int _unheard;

    // The snapshot that was told last; null: none, or the coordinator needs it no longer.
    private Aside? _aside;
    private int _asideUnheard;

    // The step that is not finite: told again and again, since nothing follows it; null: none.
    private StepId? _notFinite;
    private int _reportsSince;

    public PartitionActor(RunId run, Partition partition, StepLog steps, ICanTell coordinator, Func<long, Judgement>? judgementBefore, NodeFigures? figures = null)
    {
        _figures = figures ?? NodeFigures.Nobody;
        _run = run;
        _partition = partition;
        _steps = steps;
        _coordinator = coordinator;
        _id = new PartitionId(partition.Range.Id);
        _figures.Partitions[partition.Range.Id] = partition;

        Receive<Partitions.Fence>(fence =>
        {
            _fence = fence.Generation;
            AnswerFence();
        });
        Receive<Whole>(_ => AnswerFence());
        Receive<Partitions.StepsKept>(kept =>
        {
            _steps.Forget(kept.Step.Value, kept.Evaluation.Value);
            _unheard = 0;
        });
        Receive<Partitions.AskCheckpoint>(ask => partition.AskCheckpoint(ask.Last));
        Receive<Partitions.TakeSnapshot>(take =>
        {
            if (partition.TakeSnapshot(take.Version.Value))
            {
                Report();
                TellSpans();
                TellSnapshot(new Aside(take.Version.Value, judgementBefore?.Invoke(take.Version.Value)));
            }
        });
        Receive<Aside>(aside =>
        {
            // The coordinator's progress is that of the version, when it hears of it.
            Report(before: aside.Version);
            TellSpans();
            TellSnapshot(aside);
        });
        Receive<Partitions.SnapshotDone>(done =>
        {
            partition.ForgetSnapshot(done.Version.Value);
            _aside = _aside?.Version <= done.Version.Value ? null : _aside;
        });
        Receive<ReportFull>(_ => Report(least: StepLog.Limit));
        Receive<ReportDue>(_ =>
        {
            _unheard = _steps.IsWaiting ? _unheard + 1 : 0;
            if (_unheard > PatienceInReports)
            {
                _unheard = 0;
                _steps.TellAgain();
            }

            Report();
            TellSpans();
            if (_aside is { } aside && ++_asideUnheard > PatienceInReports)
            {
                // As long as it is not known to be written, the schedule asks for no other.
                TellSnapshot(aside);
            }

            if (++_reportsSince % PatienceInReports == 0)
            {
                TellNotFinite();
            }
        });
        Receive<Squares>(squares => _coordinator.Tell(new Partitions.Measured(_run, _id, new StepId(squares.Step), squares.Rows, squares.Sums), Self));
        Receive<StepNotFinite>(found =>
        {
            Report(before: found.Step);
            (_notFinite, _reportsSince) = (new StepId(found.Step), 0);
            TellNotFinite();
        });
        Receive<Evaluated>(_ => Report());
        Receive<StepFailed>(failed =>
        {
            Report(before: failed.Step);
            _coordinator.Tell(new Partitions.Failed(_run, new StepId(failed.Step), failed.Reason), Self);
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PostStop()
    {
        TellSpans();
        _figures.Partitions.TryRemove(new(_partition.Range.Id, _partition));
        _partition.Dispose();
    }

    // The judgements come from the board of the lead partition; null in the others.
    public static Props Props(RunId run, Partition partition, StepLog steps, ICanTell coordinator, Func<long, Judgement>? judgementBefore = null, NodeFigures? figures = null) =>
        Akka.Actor.Props.Create(() => new PartitionActor(run, partition, steps, coordinator, judgementBefore, figures));

    protected override void PreStart() => Timers.StartPeriodicTimer(ReportDue.Instance, ReportDue.Instance, ReportInterval);

    /// <summary>Fenced is who refuses older generations and has all of its state: then steps can follow.</summary>
    private void AnswerFence()
    {
        if (_fence is { } asked && _partition.IsWhole)
        {
            CrashPoint.Reach("server.fence", asked.Value);
            var (generation, version) = _partition.Fence(asked.Value);
            _steps.TellAgain();
            _coordinator.Tell(new Partitions.Fenced(_run, _id, new Generation(generation), new StepId(version)), Self);
        }
    }

    private void TellNotFinite()
    {
        if (_notFinite is { } step)
        {
            _coordinator.Tell(new Partitions.NotFinite(_run, step), Self);
        }
    }

    private void TellSnapshot(Aside aside)
    {
        if (_partition.SnapshotVerdict(aside.Version) is { } verdict)
        {
            (_aside, _asideUnheard) = (aside, 0);
            _coordinator.Tell(new Partitions.SnapshotTaken(_run, _id, new StepId(aside.Version), verdict.Packed, aside.Judgement, _partition.IsHeld), Self);
        }
    }

    private void TellSpans()
    {
        foreach (var recorded in SpanReport.Take(_partition.Record, _run, _figures.Node, $"partition {_id}", _figures.Clock))
        {
            _coordinator.Tell(recorded, Self);
        }
    }

    private void Report(int least = 1, long before = long.MaxValue)
    {
        while (_steps.Take(least, before) is var (steps, evaluated))
        {
            IProtocolMessage message = steps is null
                ? evaluated!
                : new Partitions.StepsApplied(
                    _run, new StepId(steps.First), steps.LossSums, steps.Rows, steps.LearningRates, steps.Microseconds, steps.Skipped, GC.GetTotalAllocatedBytes());
            _coordinator.Tell(message, Self);
        }
    }

    internal sealed record Squares(long Step, int Rows, double[] Sums) : INoSerializationVerificationNeeded;

    internal sealed record StepNotFinite(long Step) : INoSerializationVerificationNeeded;

    internal sealed record StepFailed(long Step, string Reason) : INoSerializationVerificationNeeded;

    internal sealed class Evaluated : INoSerializationVerificationNeeded
    {
        public static readonly Evaluated Instance = new();
    }

    internal sealed record Aside(long Version, Judgement? Judgement) : INoSerializationVerificationNeeded;

    internal sealed class Whole : INoSerializationVerificationNeeded
    {
        public static readonly Whole Instance = new();
    }

    internal sealed class ReportFull : INoSerializationVerificationNeeded
    {
        public static readonly ReportFull Instance = new();
    }

    private sealed class ReportDue : INoSerializationVerificationNeeded
    {
        public static readonly ReportDue Instance = new();
    }
}

/// <summary>Takes events from the data plane's threads to the partition's actor.</summary>
internal sealed class PartitionEvents(RunId run, bool lead) : IPartitionEvents
{
    /// <summary>The steps that the actor has not told yet.</summary>
    public StepLog Steps { get; } = new();

    /// <summary>Set once, before the first push can arrive.</summary>
    public IActorRef Actor { get; set; } = ActorRefs.Nobody;

    public void StepApplied(long step, double lossSum, int rows, float learningRate, bool skipped)
    {
        // The loss of a step is the same in all partitions: one tells it. The actor looks for steps by itself: a message
        // for each would wake a thread of the pool in every step.
        if (lead && Steps.Add(step, lossSum, rows, learningRate, NodeClock.Now, skipped) == StepLog.Limit)
        {
            Actor.Tell(PartitionActor.ReportFull.Instance);
        }
    }

    public void Measured(long step, int rows, double[] squares) => Actor.Tell(new PartitionActor.Squares(step, rows, squares));

    public void NotFinite(long step)
    {
        // It is so in all partitions: one tells it.
        if (lead)
        {
            Actor.Tell(new PartitionActor.StepNotFinite(step));
        }
    }

    public void Failed(long step, string reason)
    {
        // As above; and only the lead partition has told the steps before.
        if (lead)
        {
            Actor.Tell(new PartitionActor.StepFailed(step, reason));
        }
    }

    /// <summary>The board whose judgements belong to a snapshot, in the lead partition.</summary>
    public EvaluationBoard? Evaluations { get; set; }

    public void SnapshotTaken(long version) => Actor.Tell(new PartitionActor.Aside(version, Evaluations?.JudgementBefore(version)));

    public void Restored() => Actor.Tell(PartitionActor.Whole.Instance);

    public void Evaluated(EvaluationOutcome outcome)
    {
        // Into the log at once, where it has its place between the steps.
        Steps.Add(new Partitions.Evaluated(
            run, new StepId(outcome.Version), outcome.Sums.Validation, outcome.Sums.Test, outcome.Units, new StepId(outcome.BestVersion), outcome.Last));
        Actor.Tell(PartitionActor.Evaluated.Instance);
    }
}
