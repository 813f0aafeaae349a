using System.Diagnostics;
using Akka.Actor;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// A partition's control side: fences generations and reports progress. The step path itself runs on the data plane's
/// threads within <see cref="Partition"/> and never waits here.
/// </summary>
internal sealed class PartitionActor : ReceiveActor, IWithTimers
{
    // A message holds at most this many steps: about 20 KB, far below the frame size.
    private const int ReportLimit = 1000;
    private static readonly TimeSpan ReportInterval = TimeSpan.FromMilliseconds(100);

    private readonly RunId _run;
    private readonly Partition _partition;
    private readonly ICanTell _coordinator;
    private readonly List<double> _losses = [];
    private readonly List<int> _rows = [];
    private readonly List<double> _rates = [];
    private readonly List<long> _times = [];
    private long _firstStep;

    public PartitionActor(RunId run, Partition partition, ICanTell coordinator)
    {
        _run = run;
        _partition = partition;
        _coordinator = coordinator;
        var id = new PartitionId(partition.Range.Id);

        Receive<Partitions.Fence>(fence =>
            _coordinator.Tell(new Partitions.Fenced(_run, id, fence.Generation, new StepId(partition.Fence(fence.Generation.Value))), Self));
        Receive<StepApplied>(applied =>
        {
            if (_losses.Count == 0)
            {
                _firstStep = applied.Step;
            }

            _losses.Add(applied.LossSum);
            _rows.Add(applied.Rows);
            _rates.Add(applied.LearningRate);
            _times.Add(applied.Microseconds);
            if (_losses.Count >= ReportLimit)
            {
                Report();
            }
        });
        Receive<ReportDue>(_ => Report());
        Receive<Evaluation>(evaluation =>
        {
            // Steps before the evaluation are told before it.
            Report();
            var outcome = evaluation.Outcome;
            _coordinator.Tell(
                new Partitions.Evaluated(_run, new StepId(outcome.Version), outcome.Sums.Validation, outcome.Sums.Test, outcome.Units, new StepId(outcome.BestVersion), outcome.Last), Self);
        });
        Receive<StepFailed>(failed =>
        {
            Report();
            _coordinator.Tell(new Partitions.Failed(_run, new StepId(failed.Step), failed.Reason), Self);
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PostStop() => _partition.Dispose();

    public static Props Props(RunId run, Partition partition, ICanTell coordinator) =>
        Akka.Actor.Props.Create(() => new PartitionActor(run, partition, coordinator));

    protected override void PreStart() => Timers.StartPeriodicTimer(ReportDue.Instance, ReportDue.Instance, ReportInterval);

    private void Report()
    {
        if (_losses.Count > 0)
        {
            _coordinator.Tell(
                new Partitions.StepsApplied(_run, new StepId(_firstStep), [.. _losses], [.. _rows], [.. _rates], [.. _times], GC.GetTotalAllocatedBytes()), Self);
            _losses.Clear();
            _rows.Clear();
            _rates.Clear();
            _times.Clear();
        }
    }

    internal sealed record StepApplied(long Step, double LossSum, int Rows, float LearningRate, long Microseconds) : INoSerializationVerificationNeeded;

    internal sealed record StepFailed(long Step, string Reason) : INoSerializationVerificationNeeded;

    internal sealed record Evaluation(EvaluationOutcome Outcome) : INoSerializationVerificationNeeded;

    private sealed class ReportDue : INoSerializationVerificationNeeded
    {
        public static readonly ReportDue Instance = new();
    }
}

/// <summary>Takes events from the data plane's threads to the partition's actor.</summary>
internal sealed class PartitionEvents(bool lead) : IPartitionEvents
{
    // The wall's clock once, and from then on one that nobody sets: the times of steps only grow.
    private static readonly (DateTime Wall, long Timestamp) Start = (DateTime.UtcNow, Stopwatch.GetTimestamp());

    /// <summary>Set once, before the first push can arrive.</summary>
    public IActorRef Actor { get; set; } = ActorRefs.Nobody;

    public void StepApplied(long step, double lossSum, int rows, float learningRate)
    {
        // The loss of a step is the same in all partitions: one tells it.
        if (lead)
        {
            Actor.Tell(new PartitionActor.StepApplied(step, lossSum, rows, learningRate, Microseconds()));
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

    public void Evaluated(EvaluationOutcome outcome) => Actor.Tell(new PartitionActor.Evaluation(outcome));

    private static long Microseconds() => (long)(Start.Wall + Stopwatch.GetElapsedTime(Start.Timestamp) - DateTime.UnixEpoch).TotalMicroseconds;
}
