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

    public PartitionActorTests()
    {
        _coordinator = CreateTestProbe("coordinator");
        var plan = new TestExperiment().Plan();
        var partition = new Partition(plan, plan.Ranges[0], 1, new StatisticsBoard(plan), _events);
        _events.Actor = Sys.ActorOf(PartitionActor.Props(Run, partition, _events.Steps, _coordinator.Ref));
    }

    [Fact]
    public void Steps_are_reported_together()
    {
        _events.StepApplied(0, 1.5, 30, 0.5f);
        _events.StepApplied(1, 1.25, 29, 0.5f);
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
        _events.StepApplied(2, 1, 30, 0.5f);
        Settle();
        Advance(0.1);
        Assert.Equal(2, _coordinator.ExpectMsg<Partitions.StepsApplied>().First.Value);
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
            _events.StepApplied(step, 1, 30, 0.5f);
        }

        Assert.Equal(1000, _coordinator.ExpectMsg<Partitions.StepsApplied>().Rows.Length);
        Settle();
        Advance(0.1);
        Assert.Equal((1000L, 500), (_coordinator.ExpectMsg<Partitions.StepsApplied>() is var rest ? rest.First.Value : 0, rest.Rows.Length));
    }

    [Fact]
    public void Steps_are_told_before_an_evaluation_and_before_a_failure()
    {
        _events.StepApplied(0, 1, 30, 0.5f);
        _events.Evaluated(new EvaluationOutcome(1, new EvaluationSums(0), [new LayerUnits("1", "relu", 8, 2, 2)], 1, false));
        Assert.Equal(0, _coordinator.ExpectMsg<Partitions.StepsApplied>().First.Value);
        Assert.Equal(1, _coordinator.ExpectMsg<Partitions.Evaluated>().Version.Value);
        _events.StepApplied(1, double.MaxValue, 30, 0.5f);
        _events.Failed(2, "not finite");
        Assert.Equal(1, _coordinator.ExpectMsg<Partitions.StepsApplied>().First.Value);
        Assert.Equal((2L, "not finite"), (_coordinator.ExpectMsg<Partitions.Failed>() is var failed ? failed.Step.Value : 0, failed.Reason));
    }

    [Fact]
    public void Steps_after_an_evaluation_are_told_after_it_even_where_they_were_applied_before_the_actor_looked()
    {
        for (var step = 0; step < 3; step++)
        {
            _events.StepApplied(step, 1, 30, 0.5f);
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
        other.StepApplied(0, 1, 30, 0.5f);
        other.Failed(1, "not finite");
        Settle();
        Advance(0.1);
        Settle();
        _coordinator.ExpectNoMsg(TimeSpan.Zero);
    }

    private void Settle()
    {
        var probe = CreateTestProbe();
        _events.Actor.Tell(new Identify(null), probe.Ref);
        probe.ExpectMsg<ActorIdentity>();
    }
}
