using Akka.Actor;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Tests.Actors;

public sealed class CoordinatorFailureTests : CoordinatorTest
{
    [Fact]
    public void A_dead_workers_shards_move()
    {
        var (server, workers) = Training("w0", "w1");
        Die(workers[0]);
        ExpectFence(server, 2);
        Fenced(2, version: 1);
        ExpectAssign(workers[1], 2, 0, 1, 2, 3);
        Said<Notice>(static notice => notice.Text == "W0 died (the node left the cluster): its shards move.");
    }

    [Fact]
    public void A_process_that_is_known_to_be_dead_is_lost_at_once()
    {
        var (server, workers) = Training("w0", "w1");
        Coordinator.Tell(new ProcessDied(workers[1].Process, "exit code 137"));
        ExpectFence(server, 2);
        Fenced(2);
        ExpectAssign(workers[0], 2, 0, 1, 2, 3);
    }

    [Fact]
    public void Workers_are_told_how_many_threads_compute_on_their_host()
    {
        var (_, workers) = Hosted("w0", "w1");
        Fenced(1);
        Assert.Equal(2, ExpectAssign(workers[0], 1, 0, 1).HostThreads);
        Assert.Equal(2, ExpectAssign(workers[1], 1, 2, 3).HostThreads);
        Coordinator.Tell(new ProcessDied(workers[1].Process, "exit code 137"));
        Fenced(2);
        Assert.Equal(1, ExpectAssign(workers[0], 2, 0, 1, 2, 3).HostThreads);
    }

    [Fact]
    public void A_process_under_the_name_of_the_one_before_it_is_another_one()
    {
        var (server, workers) = Training("w0", "w1");
        var again = workers[0] with { Probe = CreateTestProbe("again") };
        Register(again);
        Assert.Equal(new NodeId("w0"), again.Probe.ExpectMsg<Nodes.Registered>().Node);
        ExpectFence(server, 2);
        Said<Notice>(static notice => notice.Text == "W0 died (another process came in its place): its shards move.");
        Prepare(again);
        ExpectFence(server, 3);
        Fenced(3);
        Assert.NotEmpty(again.Probe.ExpectMsg<Protocol.Workers.Assign>().Shards);
    }

    [Fact]
    public void A_worker_that_joins_takes_its_share()
    {
        var (server, workers) = Training("w0", "w1");
        var late = Register("w2", workers: 1);
        Prepare(late);
        ExpectFence(server, 2);
        Fenced(2, version: 2);
        ExpectAssign(workers[0], 2, 0);
        ExpectAssign(workers[1], 2, 2, 3);
        Assert.Equal(2, ExpectAssign(late, 2, 1).From.Value);
    }

    [Fact]
    public void Each_change_has_a_generation_of_its_own()
    {
        var (server, workers) = Training("w0", "w1");
        Die(workers[0]);
        ExpectFence(server, 2);
        Prepare(Register("w2", workers: 1));
        ExpectFence(server, 3);
        Fenced(2);
        Fenced(3);
        Assert.Equal(3, workers[1].Probe.ExpectMsg<Protocol.Workers.Assign>().Generation.Value);
    }

    [Fact]
    public void Below_the_minimum_training_pauses_and_goes_on_when_a_worker_comes()
    {
        Experiment = new TestExperiment { Workers = 2, MinimumWorkers = 2 };
        var (server, workers) = Training("w0", "w1");
        Die(workers[0]);
        ExpectFence(server, 2);
        Fenced(2, version: 2);
        Said<Notice>(static notice => notice.Text.StartsWith("Paused: 1 workers, cluster.minimum-workers is 2.", StringComparison.Ordinal));
        Advance(10);
        Settle();
        workers[1].Probe.ExpectNoMsg(TimeSpan.Zero);
        var late = Register("w2", workers: 1);
        Prepare(late);
        ExpectFence(server, 3);
        Fenced(3, version: 2);
        ExpectAssign(workers[1], 3, 2, 3);
        ExpectAssign(late, 3, 0, 1);
    }

    [Fact]
    public void Below_the_minimum_training_pauses_also_where_those_who_are_left_compute_all_shards()
    {
        Experiment = new TestExperiment { Workers = 2, MinimumWorkers = 2, Training = "{ epochs: 3, batch-size: 30, shards: 1 }" };
        var (server, workers) = Training("w0", "w1");
        Die(workers[1]);
        ExpectFence(server, 2);
        Fenced(2, version: 2);
        Said<Notice>(static notice => notice.Text.StartsWith("Paused: 1 workers, cluster.minimum-workers is 2.", StringComparison.Ordinal));
        Prepare(Register("w2", workers: 1));
        ExpectFence(server, 3);
        Fenced(3, version: 2);
        ExpectAssign(workers[0], 3, 0);
    }

    [Fact]
    public void Below_the_minimum_training_pauses_also_where_the_connection_of_one_without_shards_broke()
    {
        Experiment = new TestExperiment { Workers = 2, MinimumWorkers = 2, Training = "{ epochs: 3, batch-size: 30, shards: 1 }" };
        var (server, workers) = Training("w0", "w1");
        Coordinator.Tell(new Partitions.LinkLost(Run, workers[1].Worker, "cut"));
        ExpectFence(server, 2);
        Fenced(2, version: 2);
        Said<Notice>(static notice => notice.Text.StartsWith("Paused: 1 workers, cluster.minimum-workers is 2.", StringComparison.Ordinal));
    }

    [Fact]
    public void Another_server_takes_over_from_one_that_dies()
    {
        var (server, workers) = Training("w0", "w1");
        Coordinator.Tell(new Partitions.StepsApplied(Run, new StepId(0), [1, 1], [30, 30], [0.1, 0.1], [1, 2], [], 0));
        Die(server);
        Said<Notice>(static notice => notice.Text.StartsWith("S0 died", StringComparison.Ordinal));

        // Without a checkpoint training goes back to what follows from the seed.
        var other = Register("s1", server: true);
        Prepare(other);
        var host = other.Probe.ExpectMsg<Partitions.Host>();
        Assert.Equal((2L, 0L), (host.Generation.Value, host.From.Value));
        Answer(other, new Partitions.Hosted(Run, new NodeId("s1"), host.Generation));
        Fenced(2);
        foreach (var worker in workers)
        {
            var assign = worker.Probe.ExpectMsg<Protocol.Workers.Assign>();
            Assert.Equal((2L, 2L, 0L), (assign.Generation.Value, assign.Loaded.Value, assign.From.Value));
            Assert.Equal("s1", Assert.Single(assign.Routes).Node.Value);
        }

        Coordinator.Tell(new Partitions.StepsApplied(Run, new StepId(0), [1], [30], [0.1], [1], [], 0));
        Said<Notice>(static notice => notice.Text.StartsWith("Going on at step 0,", StringComparison.Ordinal));
    }

    [Fact]
    public void A_worker_whose_connection_broke_is_assigned_again()
    {
        var (server, workers) = Training("w0", "w1");
        CutFromServer(workers[0]);
        ExpectFence(server, 2);
        CutByItself(workers[0]);
        ExpectFence(server, 3);
        Fenced(3);
        ExpectAssign(workers[0], 3, 0, 1);
    }

    [Fact]
    public void A_worker_whose_server_tells_of_the_broken_connection_last_is_taken_back_when_it_reports()
    {
        var (server, workers) = Training("w0", "w1");
        CutByItself(workers[0]);
        ExpectFence(server, 2);
        CutFromServer(workers[0]);
        ExpectFence(server, 3);
        Fenced(3);
        ExpectAssign(workers[1], 3, 0, 1, 2, 3);

        // Too early: it may have been sent before the worker died.
        Report(workers[0]);
        Settle();
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
        Advance(1);
        Report(workers[0]);
        ExpectFence(server, 4);
        Fenced(4);
        Assert.Equal(2, workers[0].Probe.ExpectMsg<Protocol.Workers.Assign>().Shards.Length);
    }

    [Fact]
    public void A_worker_that_stands_by_is_taken_back_too()
    {
        Experiment = new TestExperiment { Workers = 2, Training = "{ epochs: 1, batch-size: 30, shards: 1 }" };
        var (server, workers) = Training("w0", "w1");
        var standby = workers[0];
        CutFromServer(standby);
        Settle();
        Advance(1);
        Report(standby);
        Said<Notice>(notice => notice.Text == "w0/0 is back.");
        ExpectFence(server, 2);
    }

    [Fact]
    public void A_worker_that_never_reaches_a_server_is_not_assigned_again_and_again_at_once()
    {
        var (server, workers) = Training("w0", "w1");
        CutByItself(workers[0]);
        ExpectFence(server, 2);
        CutByItself(workers[0]);
        ExpectFence(server, 3);
        CutByItself(workers[0]);
        CutByItself(workers[0]);
        Settle();
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
        Fenced(3);
        ExpectAssign(workers[1], 3, 0, 1, 2, 3);
    }

    [Fact]
    public void A_worker_that_does_not_reach_a_server_connects_without_shards_while_the_others_go_on()
    {
        var (server, workers) = Training("w0", "w1");
        CutByItself(workers[0]);
        ExpectFence(server, 2);
        Fenced(2);
        ExpectAssign(workers[0], 2, 0, 1);
        ExpectAssign(workers[1], 2, 2, 3);

        // It tries for as long as connecting may take, and does not get through.
        Advance(1);
        Report(workers[0], Protocol.Workers.Status.Connecting);
        CutByItself(workers[0]);
        ExpectFence(server, 3);
        Fenced(3);
        ExpectAssign(workers[1], 3, 0, 1, 2, 3);

        // From now on nobody waits for it, however often it fails.
        for (var times = 0; times < 3; times++)
        {
            Advance(1);
            Report(workers[0], Protocol.Workers.Status.Connecting);
            ExpectAssign(workers[0], 3);
            CutByItself(workers[0]);
        }

        Settle();
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
        Report(workers[0], Protocol.Workers.Status.Standby);
        Said<Notice>(notice => notice.Text == "w0/0 is back.");
        ExpectFence(server, 4);
        Fenced(4);
        Assert.Equal(2, workers[0].Probe.ExpectMsg<Protocol.Workers.Assign>().Shards.Length);
    }

    [Fact]
    public void A_worker_that_fails_in_its_computation_ends_the_run()
    {
        var (_, workers) = Training("w0", "w1");
        Answer(workers[0], new Protocol.Workers.Failed(Run, workers[0].Worker, new StepId(3), "OutOfMemoryException: no"));
        Assert.Equal("w0/0 failed at step 3: OutOfMemoryException: no", Said<Ended>().Failure);
    }

    [Fact]
    public void A_launcher_that_gives_up_ends_the_run_only_where_it_cannot_go_on()
    {
        var (server, _) = Training("w0", "w1");
        Coordinator.Tell(new GaveUp("worker", "exit code 1"));
        Coordinator.Tell(new GaveUp("server", "exit code 1"));
        Coordinator.Tell(new ProcessDied(server.Process, "process 7 was killed by signal 9"));
        Coordinator.Tell(new GaveUp("server", "exit code 1"));
        Assert.Equal("a server process was not launched again: exit code 1", Said<Ended>().Failure);
    }

    [Fact]
    public void A_run_that_can_never_have_its_minimum_of_workers_again_ends_instead_of_waiting_for_ever()
    {
        Experiment = new TestExperiment { Workers = 3, MinimumWorkers = 2 };
        var (server, workers) = Training("w0", "w1", "w2");
        Coordinator.Tell(new ProcessDied(workers[0].Process, "process 1 was killed by signal 9"));
        Coordinator.Tell(new GaveUp("worker", "process 1 was killed by signal 9, and cluster.max-restarts is 0"));
        Said<Notice>(static notice => notice.Text == "A worker process is not launched again: process 1 was killed by signal 9, and cluster.max-restarts is 0. The others go on without it.");
        Coordinator.Tell(new ProcessDied(workers[1].Process, "process 2 was killed by signal 9"));
        Coordinator.Tell(new GaveUp("worker", "process 2 was killed by signal 9, and cluster.max-restarts is 0"));
        Assert.Equal(
            "a worker process was not launched again: process 2 was killed by signal 9, and cluster.max-restarts is 0; cluster.minimum-workers is 2", Said<Ended>().Failure);
    }

    [Fact]
    public void A_place_that_is_given_up_while_another_is_launched_again_ends_nothing()
    {
        var (server, workers) = Training("w0", "w1");
        Coordinator.Tell(new ProcessDied(workers[0].Process, "exit code 1"));
        Coordinator.Tell(new ProcessDied(workers[1].Process, "exit code 1"));
        Coordinator.Tell(new GaveUp("worker", "exit code 1"));
        Said<Notice>(static notice => notice.Text.StartsWith("A worker process is not launched again: exit code 1.", StringComparison.Ordinal));
        Prepare(Register("w2", workers: 1));
        ExpectFence(server, 2);
    }

    [Fact]
    public void Messages_of_another_run_count_for_nothing()
    {
        var (server, workers) = Training("w0", "w1");
        var other = new RunId("other");
        Answer(workers[0], new Protocol.Workers.LinkLost(other, workers[0].Worker, new NodeId("s0"), "cut"));
        Answer(server, new Partitions.LinkLost(other, workers[0].Worker, "cut"));
        Answer(server, new Partitions.Failed(other, new StepId(1), "no"));
        Answer(workers[0], new Protocol.Workers.Failed(other, workers[0].Worker, new StepId(1), "no"));
        Answer(server, new Nodes.PrepareFailed(other, new NodeId("s0"), "no"));
        Coordinator.Tell(new Stop(other));
        Settle();
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
    }

    private void CutFromServer(Node worker) => Coordinator.Tell(new Partitions.LinkLost(Run, worker.Worker, "closed"));

    private void CutByItself(Node worker) => Answer(worker, new Protocol.Workers.LinkLost(Run, worker.Worker, new NodeId("s0"), "closed"));

    private void Report(Node worker, string state = Protocol.Workers.Status.Training) =>
        Answer(worker, new Protocol.Workers.Status(Run, worker.Worker, new StepId(1), 30, state, new StepCosts(1, 0, 0, 0, 0, 0, 0)));
}
