using Akka.Actor;
using Akka.TestKit;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Actors;

public sealed class PartitionActorTests : ActorTest
{
    private static readonly RunId Run = new("run");
    private readonly TestProbe _coordinator;
    private readonly PartitionEvents _events = new(Run, lead: true);
    private readonly PartitionBench _bench;

    public PartitionActorTests()
    {
        _coordinator = CreateTestProbe("coordinator");
        var plan = new TestExperiment().Plan();
        _bench = new PartitionBench(plan, events: _events);
        _events.Evaluations = new EvaluationBoard(plan, _events.Evaluated);

        // Steps that are applied are recorded too, and the first one is measured.
        _coordinator.IgnoreMessages(static message => message is Nodes.Recorded or Partitions.Measured { Step.Value: 0 });
        _events.Actor = Sys.ActorOf(PartitionActor.Props(Run, _bench.Partition, _events.Steps, _coordinator.Ref, _events.Evaluations.JudgementBefore));
    }

    [Fact]
    public void Steps_are_reported_together()
    {
        _events.StepApplied(0, 1.5, 30, 0.5f, skipped: false);
        _events.StepApplied(1, 1.25, 29, 0.5f, skipped: false);
        Settle();
        _coordinator.ExpectNoMsg(TimeSpan.Zero);
        Advance(0.1);
        var applied = _coordinator.ExpectMsg<Partitions.StepsApplied>();
        Assert.Equal(0, applied.First.Value);
        Assert.Equal([1.5, 1.25], applied.LossSums);
        Assert.Equal([30, 29], applied.Rows);
        Assert.Equal(2, applied.Microseconds.Length);
        Assert.True(applied.Microseconds[0] > 0 && applied.Microseconds[1] >= applied.Microseconds[0]);
        Assert.True(applied.AllocatedBytes > 0);
        _events.StepApplied(2, 1, 30, 0.5f, skipped: false);
        Settle();
        Advance(0.1);
        Assert.Equal(2, _coordinator.ExpectMsg<Partitions.StepsApplied>().First.Value);
    }

    [Fact]
    public void Parts_of_a_gradient_are_told_at_once()
    {
        _events.Measured(10, 30, [2.5, 0.25]);
        Settle();
        var measured = _coordinator.ExpectMsg<Partitions.Measured>();
        Assert.Equal((Run, 0, 10L, 30), (measured.Run, measured.Partition.Value, measured.Step.Value, measured.Rows));
        Assert.Equal([2.5, 0.25], measured.Squares);
    }

    [Fact]
    public void Nothing_is_reported_where_nothing_happened()
    {
        Advance(1);
        Settle();
        _coordinator.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void A_report_is_small()
    {
        for (var step = 0; step < 1500; step++)
        {
            _events.StepApplied(step, 1, 30, 0.5f, skipped: false);
        }

        Assert.Equal(1000, _coordinator.ExpectMsg<Partitions.StepsApplied>().Rows.Length);
        Settle();
        Advance(0.1);
        Assert.Equal((1000L, 500), (_coordinator.ExpectMsg<Partitions.StepsApplied>() is var rest ? rest.First.Value : 0, rest.Rows.Length));
    }

    [Fact]
    public void Steps_are_told_before_an_evaluation_and_before_a_failure()
    {
        _events.StepApplied(0, 1, 30, 0.5f, skipped: false);
        _events.Evaluated(new EvaluationOutcome(1, new EvaluationSums(0), [new LayerUnits("1", "relu", 8, 2, 2)], 1, false));
        Assert.Equal(0, _coordinator.ExpectMsg<Partitions.StepsApplied>().First.Value);
        Assert.Equal(1, _coordinator.ExpectMsg<Partitions.Evaluated>().Version.Value);
        _events.StepApplied(1, double.MaxValue, 30, 0.5f, skipped: false);
        _events.Failed(2, "not finite");
        Assert.Equal(1, _coordinator.ExpectMsg<Partitions.StepsApplied>().First.Value);
        Assert.Equal((2L, "not finite"), (_coordinator.ExpectMsg<Partitions.Failed>() is var failed ? failed.Step.Value : 0, failed.Reason));
    }

    [Fact]
    public void Steps_after_an_evaluation_are_told_after_it_even_where_they_were_applied_before_the_actor_looked()
    {
        for (var step = 0; step < 3; step++)
        {
            _events.StepApplied(step, 1, 30, 0.5f, skipped: false);
        }

        _events.Evaluated(new EvaluationOutcome(2, new EvaluationSums(0), [], 2, false));
        Assert.Equal(2, _coordinator.ExpectMsg<Partitions.StepsApplied>().Rows.Length);
        Assert.Equal(2, _coordinator.ExpectMsg<Partitions.Evaluated>().Version.Value);
        Settle();
        Advance(0.1);
        Assert.Equal(2, _coordinator.ExpectMsg<Partitions.StepsApplied>().First.Value);
    }

    [Fact]
    public void Only_the_lead_partition_tells_what_all_partitions_see()
    {
        var other = new PartitionEvents(Run, lead: false) { Actor = _events.Actor };
        other.StepApplied(0, 1, 30, 0.5f, skipped: false);
        other.Failed(1, "not finite");
        Settle();
        Advance(0.1);
        Settle();
        _coordinator.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void What_is_not_known_to_be_written_down_is_told_again_after_a_while()
    {
        _events.StepApplied(0, 1.5, 30, 0.5f, skipped: false);
        _events.StepApplied(1, 1.25, 29, 0.5f, skipped: false);
        Report();
        Assert.Equal(2, _coordinator.ExpectMsg<Partitions.StepsApplied>().Rows.Length);
        _events.Actor.Tell(new Partitions.StepsKept(Run, new StepId(0), new StepId(-1)));
        Reports(20);
        _coordinator.ExpectNoMsg(TimeSpan.Zero);
        Report();
        Assert.Equal((1L, 1), _coordinator.ExpectMsg<Partitions.StepsApplied>() is var again ? (again.First.Value, again.Rows.Length) : default);
        _events.Actor.Tell(new Partitions.StepsKept(Run, new StepId(1), new StepId(-1)));
        Reports(50);
        _coordinator.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void A_fence_has_everything_told_again_that_is_not_known_to_be_written_down()
    {
        _events.StepApplied(0, 1.5, 30, 0.5f, skipped: false);
        Report();
        _coordinator.ExpectMsg<Partitions.StepsApplied>();
        _events.Actor.Tell(new Partitions.Fence(Run, PartitionId.Lead, new Generation(2)));
        Assert.Equal(2, _coordinator.ExpectMsg<Partitions.Fenced>().Generation.Value);
        Report();
        Assert.Equal(0, _coordinator.ExpectMsg<Partitions.StepsApplied>().First.Value);
    }

    [Fact]
    public void A_snapshot_is_told_after_the_steps_before_it()
    {
        PutAside(3);
        Assert.Equal(3, _coordinator.ExpectMsg<Partitions.StepsApplied>().Rows.Length);
        var taken = _coordinator.ExpectMsg<Partitions.SnapshotTaken>();
        Assert.Equal((0, 3L), (taken.Partition.Value, taken.Version.Value));
        Assert.NotNull(taken.Judgement);
    }

    [Fact]
    public void A_snapshot_that_nobody_answers_for_is_told_again()
    {
        // Otherwise a lost message, or a coordinator that began anew, would be the end of all checkpoints.
        PutAside(3);
        _coordinator.ExpectMsg<Partitions.StepsApplied>();
        var taken = _coordinator.ExpectMsg<Partitions.SnapshotTaken>();
        _events.Actor.Tell(new Partitions.StepsKept(Run, new StepId(2), new StepId(-1)));
        Reports(20);
        _coordinator.ExpectNoMsg(TimeSpan.Zero);
        Report();
        Assert.Equal(taken, _coordinator.ExpectMsg<Partitions.SnapshotTaken>());
        Reports(20);
        _coordinator.ExpectNoMsg(TimeSpan.Zero);
        Report();
        Assert.Equal(taken, _coordinator.ExpectMsg<Partitions.SnapshotTaken>());
        _events.Actor.Tell(new Partitions.SnapshotDone(Run, PartitionId.Lead, new StepId(3)));
        Reports(50);
        _coordinator.ExpectNoMsg(TimeSpan.Zero);
        Assert.Null(_bench.Partition.SnapshotVerdict(3));
    }

    [Fact]
    public void The_current_version_is_put_aside_when_it_is_asked_for()
    {
        PutAside(3);
        _coordinator.ExpectMsg<Partitions.StepsApplied>();
        _coordinator.ExpectMsg<Partitions.SnapshotTaken>();
        _events.Actor.Tell(new Partitions.TakeSnapshot(Run, PartitionId.Lead, new StepId(2)));
        _events.Actor.Tell(new Partitions.TakeSnapshot(Run, PartitionId.Lead, new StepId(4)));
        Settle();
        _coordinator.ExpectNoMsg(TimeSpan.Zero);
        _events.Actor.Tell(new Partitions.TakeSnapshot(Run, PartitionId.Lead, new StepId(3)));
        Assert.Equal(3, _coordinator.ExpectMsg<Partitions.SnapshotTaken>().Version.Value);
    }

    [Fact]
    public void A_partition_that_is_being_loaded_is_fenced_when_its_state_has_come()
    {
        var trained = new PartitionBench(_bench.Plan);
        trained.PushAll(0, ask: CheckpointAsk.Snapshot);
        var events = new PartitionEvents(Run, lead: true);
        using var partition = new Partition(_bench.Plan, _bench.Plan.Ranges[0], 4, new StatisticsBoard(_bench.Plan), events, new StartingPoint(1, default));
        events.Actor = Sys.ActorOf(PartitionActor.Props(Run, partition, events.Steps, _coordinator.Ref));
        events.Actor.Tell(new Partitions.Fence(Run, PartitionId.Lead, new Generation(4)));
        var vectors = trained.Snapshot(1);
        for (var vector = 0; vector < vectors.Count; vector++)
        {
            var probe = CreateTestProbe();
            events.Actor.Tell(new Identify(null), probe.Ref);
            probe.ExpectMsg<ActorIdentity>();
            _coordinator.ExpectNoMsg(TimeSpan.Zero);
            var incoming = partition.ReserveRestore(new Channels.FrameHeader { Generation = 4, Step = 1, Count = vector, PayloadBytes = vectors[vector].Length }, out _)!;
            vectors[vector].CopyTo(incoming.Bytes);
            partition.CompleteRestore(incoming);
        }

        Assert.Equal((4L, 1L), _coordinator.ExpectMsg<Partitions.Fenced>() is var fenced ? (fenced.Generation.Value, fenced.Version.Value) : default);
    }

    /// <summary>Steps up to this version, which is put aside.</summary>
    private void PutAside(int version)
    {
        for (var step = 0; step < version; step++)
        {
            _bench.PushAll(step, ask: step == version - 1 ? CheckpointAsk.Snapshot : CheckpointAsk.None);
        }
    }

    private void Reports(int count) => Enumerable.Range(0, count).ToList().ForEach(_ => Report());

    private void Report()
    {
        Settle();
        Advance(0.1);
        Settle();
    }

    private void Settle()
    {
        var probe = CreateTestProbe();
        _events.Actor.Tell(new Identify(null), probe.Ref);
        probe.ExpectMsg<ActorIdentity>();
    }
}
