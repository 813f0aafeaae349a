using Akka.Actor;
using Akka.TestKit;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>A coordinator that nobody stands beside: it begins by itself, and leaves in good order.</summary>
public sealed class CoordinatorStandingTests : CoordinatorTest
{
    private readonly TestProbe _told;
    private readonly IActorRef _alone;

    public CoordinatorStandingTests()
    {
        _told = CreateTestProbe("told");
        var first = new Submissions.Submit(Experiment.Yaml, "test.yaml", "", RunDirectory, EndCluster: false, Resume: false);
        var orders = new StandingOrders { Runs = Path.GetDirectoryName(RunDirectory)!, First = first, Told = text => _told.Ref.Tell(text) };
        _alone = Sys.ActorOf(CoordinatorActor.Props("runs", orders));
    }

    [Fact]
    public void It_begins_when_there_are_a_server_and_a_worker()
    {
        var server = Come("s0", "server", null);
        Assert.Empty(Directory.GetDirectories(Path.GetDirectoryName(RunDirectory)!));
        Come("w0", "worker", null);
        Assert.Contains("begins", _told.ExpectMsg<string>(Patience), StringComparison.Ordinal);
        Assert.Equal(RunDirectory, server.FishForMessage<Nodes.Prepare>(static _ => true, Patience).RunDirectory);
    }

    [Fact]
    public void Nodes_that_hold_a_run_are_asked_for_it_and_nothing_else_is_begun()
    {
        var run = new RunId("0badcafe");
        var worker = Come("w0", "worker", run);
        Assert.Equal(run, worker.ExpectMsg<Nodes.Recall>(Patience).Run);
        Come("s0", "server", null);
        Assert.False(Directory.Exists(RunDirectory));

        // It holds it no longer: now there is nobody whose work would be lost.
        Come("w0", "worker", null, worker);
        Assert.Contains("begins", _told.ExpectMsg<string>(Patience), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_run_it_leaves_at_once()
    {
        Coordinator.Tell(CoordinatorActor.LeaveInOrder.Instance, Submitter.Ref);
        Submitter.ExpectMsg<CoordinatorActor.Left>(Patience);
    }

    [Fact]
    public void In_a_run_it_has_a_checkpoint_made_that_is_not_the_last()
    {
        var (server, _) = Training("w0", "w1");
        Coordinator.Tell(CoordinatorActor.LeaveInOrder.Instance, Submitter.Ref);
        Assert.False(server.Probe.FishForMessage<Partitions.AskCheckpoint>(static _ => true, Patience).Last);

        // It is not written, but nothing follows either: the run ends.
        Coordinator.Tell(new Partitions.Failed(Run, new StepId(3), "the disk of the server is gone"));
        Submitter.FishForMessage<CoordinatorActor.Left>(static _ => true, Patience);
    }

    [Fact]
    public void A_worker_whose_work_others_can_do_may_leave_at_once_and_the_last_one_after_a_checkpoint()
    {
        var (server, workers) = Training("w0", "w1");
        Assert.Equal(new NodeId("w0"), Leave(workers[0]).ExpectMsg<Nodes.MayLeave>(Patience).Node);

        var last = Leave(workers[1]);
        Assert.False(server.Probe.FishForMessage<Partitions.AskCheckpoint>(static _ => true, Patience).Last);
        last.ExpectNoMsg(TimeSpan.Zero);
        Coordinator.Tell(new Partitions.Failed(Run, new StepId(3), "the disk of the server is gone"));
        Assert.Equal(new NodeId("w1"), last.ExpectMsg<Nodes.MayLeave>(Patience).Node);
    }

    [Fact]
    public void A_server_with_partitions_may_leave_after_a_checkpoint()
    {
        var (server, _) = Training("w0", "w1");
        var waiting = Leave(server);
        Assert.False(server.Probe.FishForMessage<Partitions.AskCheckpoint>(static _ => true, Patience).Last);
        Coordinator.Tell(new Partitions.Failed(Run, new StepId(3), "the disk of the server is gone"));
        Assert.Equal(new NodeId(server.Name), waiting.ExpectMsg<Nodes.MayLeave>(Patience).Node);
    }

    private TestProbe Leave(Node node)
    {
        var waiting = CreateTestProbe(node.Name + "-leaving");
        Coordinator.Tell(new Nodes.Leaving(new NodeId(node.Name)), waiting.Ref);
        return waiting;
    }

    private TestProbe Come(string name, string role, RunId? run, TestProbe? probe = null)
    {
        probe ??= CreateTestProbe(name + "-node");
        _alone.Tell(new Nodes.Register(new NodeId(name), [role], "127.0.0.1", name.GetHashCode(StringComparison.Ordinal) & 0xffff, role == "worker" ? 1 : 0, run, SentAt: 0), probe.Ref);
        probe.FishForMessage<Nodes.Registered>(static _ => true, Patience);
        return probe;
    }
}
