using Akka.Actor;
using Akka.TestKit;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Actors;

public sealed class WorkerActorTests : ActorTest
{
    private static readonly RunId Run = new("run");
    private static readonly WorkerId Worker = new("n/0");
    private readonly TestProbe _coordinator;
    private readonly IActorRef _worker;

    public WorkerActorTests()
    {
        _coordinator = CreateTestProbe("coordinator");
        _worker = Sys.ActorOf(WorkerActor.Props(Run, Worker, "127.0.0.1", new TestExperiment().Plan(), _coordinator.Ref));
        var probe = CreateTestProbe();
        _worker.Tell(new Identify(null), probe.Ref);
        probe.ExpectMsg<ActorIdentity>();
    }

    [Fact]
    public void It_reports_how_far_it_is_from_its_start_on()
    {
        Advance(0);
        Assert.Equal(new Protocol.Workers.Status(Run, Worker, new StepId(-1), 0, "standby", new StepCosts(0, 0, 0, 0, 0, 0, 0)), _coordinator.ExpectMsg<Protocol.Workers.Status>());
        Advance(0.5);
        _coordinator.ExpectMsg<Protocol.Workers.Status>();
    }

    [Fact]
    public void It_tells_which_server_cannot_be_reached()
    {
        Assign(1, [$"in-process://nobody-{Environment.ProcessId}"]);
        var lost = _coordinator.ExpectMsg<Protocol.Workers.LinkLost>();
        Assert.Equal((Worker, new NodeId("s0")), (lost.Worker, lost.Server));
        Assert.Contains("nobody listens", lost.Reason, StringComparison.Ordinal);
        Advance(0);
        Assert.Equal(Protocol.Workers.Status.Connecting, _coordinator.ExpectMsg<Protocol.Workers.Status>().State);
        Assign(1, [$"in-process://nobody-{Environment.ProcessId}"]);
        _coordinator.ExpectMsg<Protocol.Workers.LinkLost>();
    }

    [Fact]
    public void It_tells_of_an_error_that_is_no_lost_connection()
    {
        Assign(1, []);
        Assert.Contains("does not reach the peer", _coordinator.ExpectMsg<Protocol.Workers.Failed>().Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Asked_to_bring_rows_that_are_here_it_says_so_each_time()
    {
        for (var times = 0; times < 2; times++)
        {
            _worker.Tell(new Protocol.Workers.Bring(Run, Worker, [1, 2]));
            var brought = _coordinator.ExpectMsg<Protocol.Workers.Brought>();
            Assert.Equal((Run, Worker, null), (brought.Run, brought.Worker, brought.Problem));
            Assert.Equal([1, 2], brought.Shards);
        }
    }

    private void Assign(long generation, string[] addresses) =>
        _worker.Tell(new Protocol.Workers.Assign(
            Run, Worker, new Generation(generation), new Generation(1), new StepId(0), [0, 1, 2, 3], [new Protocol.Workers.Route(PartitionId.Lead, new NodeId("s0"), "127.0.0.1", Environment.ProcessId, addresses)]));
}
