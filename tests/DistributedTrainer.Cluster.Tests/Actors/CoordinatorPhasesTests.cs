using Akka.Actor;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Submissions;
using Assign = DistributedTrainer.Protocol.Workers.Assign;

namespace DistributedTrainer.Cluster.Tests.Actors;

public sealed class CoordinatorPhasesTests : CoordinatorTest
{
    [Fact]
    public void A_run_begins_when_everybody_is_prepared_and_the_partitions_are_fenced()
    {
        var server = Register("s0", server: true);
        var (first, second) = (Register("w0", workers: 1), Register("w1", workers: 1));
        Submit();
        Accepted();
        Prepare(server);
        Prepare(first);
        Settle();
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
        Prepare(second);
        var host = server.Probe.ExpectMsg<Partitions.Host>();
        Assert.Equal((Run, 1L), (host.Run, host.Generation.Value));
        Assert.Equal([0], host.Partitions);
        Fenced(1);
        var assign = ExpectAssign(first, 1, 0, 1);
        ExpectAssign(second, 1, 2, 3);
        Assert.Equal((new WorkerId("w0/0"), 0L), (assign.Worker, assign.From.Value));
        var route = Assert.Single(assign.Routes);
        Assert.Equal((0, new NodeId("s0"), "127.0.0.1", server.Process), (route.Partition.Value, route.Node, route.Host, route.ProcessId));
        Assert.Equal(["tcp://s0:1"], route.Addresses);
    }

    [Fact]
    public void A_worker_that_does_not_come_is_waited_for_only_so_long()
    {
        var (server, _) = Hosted("w0");
        Settle();
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
        Advance(16);
        server.Probe.ExpectMsg<Partitions.Host>();
    }

    [Fact]
    public void Everything_that_is_wrong_with_an_experiment_is_told()
    {
        Experiment = new TestExperiment { Loss = "mean-squared-error", Layers = ["linear: 5"] };
        Submit();
        Assert.Equal(2, Submitter.ExpectMsg<Rejected>().Problems.Length);
    }

    [Fact]
    public void A_run_folder_that_holds_a_result_is_rejected()
    {
        Directory.CreateDirectory(RunDirectory);
        File.WriteAllText(Path.Combine(RunDirectory, "result.json"), "{}");
        Submit();
        Assert.Contains("holds another run", Assert.Single(Submitter.ExpectMsg<Rejected>().Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void A_submission_during_a_run_is_rejected()
    {
        Submit();
        var other = CreateTestProbe();
        Coordinator.Tell(new Submit(Experiment.Yaml, "other.yaml", "", RunDirectory + "2", false, false), other.Ref);
        Assert.Contains("one run at a time", Assert.Single(other.ExpectMsg<Rejected>().Problems), StringComparison.Ordinal);
        Accepted();
        Coordinator.Tell(new Submit(Experiment.Yaml, "other.yaml", "", RunDirectory + "2", false, false), other.Ref);
        Assert.Contains(Run.Value, Assert.Single(other.ExpectMsg<Rejected>().Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void A_host_that_is_not_answered_is_sent_again_and_never_after_it_was()
    {
        var (server, workers) = Hosted("w0", "w1");
        Assert.Equal(1, server.Probe.ExpectMsg<Partitions.Host>().Generation.Value);
        Advance(2.5);
        Assert.Equal(1, server.Probe.ExpectMsg<Partitions.Host>().Generation.Value);
        Fenced(1);
        ExpectAssign(workers[0], 1, 0, 1);
        Die(workers[1]);
        ExpectFence(server, 2);
        Advance(2.5);
        ExpectFence(server, 2);
    }

    [Fact]
    public void Assignments_are_sent_again_while_nothing_moves()
    {
        var (_, workers) = Training("w0", "w1");
        Advance(1);
        Coordinator.Tell(new Partitions.StepsApplied(Run, new StepId(0), [1], [30], [0.5], [7], [], 1000));
        Settle();
        Advance(1.5);
        Settle();
        workers[0].Probe.ExpectNoMsg(TimeSpan.Zero);
        Advance(1);
        ExpectAssign(workers[0], 1, 0, 1);
        ExpectAssign(workers[1], 1, 2, 3);
    }

    [Fact]
    public void A_fence_of_an_older_generation_counts_for_nothing()
    {
        var (server, workers) = Training("w0", "w1");
        Die(workers[1]);
        ExpectFence(server, 2);
        Fenced(1, version: 7);
        Settle();
        workers[0].Probe.ExpectNoMsg(TimeSpan.Zero);
        Fenced(2, version: 3);
        Assert.Equal(3, ExpectAssign(workers[0], 2, 0, 1, 2, 3).From.Value);
    }

    [Fact]
    public void Training_goes_on_from_the_version_that_every_partition_has()
    {
        Experiment = Experiment with { Layers = ["linear: 64", "relu", "linear: 128", "relu", "linear: 3"], Partitions = 3 };
        var (server, workers) = Hosted("w0", "w1");
        Assert.Equal([0, 1, 2], server.Probe.ExpectMsg<Partitions.Host>().Partitions);
        for (var partition = 0; partition < 3; partition++)
        {
            Fenced(1, 0, partition);
        }

        Assert.Equal(0, ExpectAssign(workers[0], 1, 0, 1).From.Value);
        Coordinator.Tell(new Partitions.LinkLost(Run, workers[1].Worker, "closed"));
        ExpectFence(server, 2);
        Fenced(2, 4, partition: 0);
        Fenced(2, 3, partition: 1);
        Fenced(2, 3, partition: 1);
        Settle();
        workers[0].Probe.ExpectNoMsg(TimeSpan.Zero);
        Fenced(2, 4, partition: 2);
        Assert.Equal(3, ExpectAssign(workers[0], 2, 0, 1, 2, 3).From.Value);
    }

    [Fact]
    public void Wrong_data_fails_the_start_and_names_both_checksums()
    {
        var server = Register("s0", server: true);
        Submit();
        Accepted();
        Prepare(server, sha256: "abc");
        var ended = Said<Ended>();
        Assert.False(ended.Succeeded);
        Assert.Contains("s0 has read other data than the coordinator: iris has the SHA-256 abc there and " + Plan().Data.Dataset.Sha256, ended.Failure, StringComparison.Ordinal);
        server.Probe.ExpectMsg<Nodes.EndRun>();
    }

    [Fact]
    public void A_node_that_cannot_prepare_fails_the_start()
    {
        var server = Register("s0", server: true);
        Submit();
        Accepted();
        Answer(server, new Nodes.PrepareFailed(Run, new NodeId("s0"), "no such file"));
        Assert.Equal("s0 cannot prepare the run: no such file", Said<Ended>().Failure);
    }

    [Fact]
    public void One_worker_that_cannot_read_the_data_is_left_out_at_the_start_and_not_waited_for()
    {
        var server = Register("s0", server: true);
        var (good, bad) = (Register("w0", workers: 1), Register("w1", workers: 1));
        Submit();
        Accepted();
        Prepare(server);
        Prepare(good);
        bad.Probe.ExpectMsg<Nodes.Prepare>();
        Answer(bad, new Nodes.PrepareFailed(Run, new NodeId("w1"), "no such file"));
        Said<Notice>(static notice => notice.Text == "Not used: w1 cannot prepare the run: no such file");
        server.Probe.ExpectMsg<Partitions.Host>();
        Fenced(1);
        ExpectAssign(good, 1, 0, 1, 2, 3);
        bad.Probe.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void Too_few_workers_that_can_read_the_data_fail_the_start_once_all_have_come()
    {
        Experiment = Experiment with { MinimumWorkers = 2 };
        Register("s0", server: true);
        var first = Register("w0", workers: 1);
        Submit();
        Accepted();
        Answer(first, new Nodes.PrepareFailed(Run, new NodeId("w0"), "no such file."));
        Said<Notice>(static notice => notice.Text.StartsWith("Not used: w0", StringComparison.Ordinal));
        var second = Register("w1", workers: 1);
        Answer(second, new Nodes.PrepareFailed(Run, new NodeId("w1"), "no such file."));
        Assert.Equal("w0 cannot prepare the run: no such file. So it is with 1 more", Said<Ended>().Failure);
    }

    [Fact]
    public void Too_few_workers_that_can_read_the_data_fail_the_start_when_it_is_late()
    {
        var server = Register("s0", server: true);
        var bad = Register("w0", workers: 1);
        Submit();
        Accepted();
        Prepare(server);
        Answer(bad, new Nodes.PrepareFailed(Run, new NodeId("w0"), "no such file"));
        Settle();
        Advance(1);
        Said<View>();
        Advance(15);
        Assert.Equal("w0 cannot prepare the run: no such file", Said<Ended>().Failure);
    }

    [Fact]
    public void A_coordinator_whose_data_was_replaced_leaves_the_run_that_it_finds_alone_and_tries_again()
    {
        var server = new Node("s0", CreateTestProbe("s0"), 1001, 0);
        void Come() => Coordinator.Tell(new Nodes.Register(new NodeId("s0"), ["server"], "127.0.0.1", 1001, 0, new RunId("r"), SentAt: 0), server.Probe.Ref);
        Directory.CreateDirectory(RunDirectory);
        var prepared = new Nodes.Prepare(new RunId("r"), 7, Experiment.Yaml, "", RunDirectory, false);
        for (var attempt = 0; attempt < 2; attempt++)
        {
            Come();
            server.Probe.FishForMessage<Nodes.Recall>(static _ => true, Patience);
            Answer(server, new Nodes.Recalled(prepared, new NodeId("s0"), new Generation(3), new Generation(1), [0]));
            server.Probe.FishForMessage<Nodes.Prepare>(static _ => true, Patience);
            Answer(server, new Nodes.Prepared(new RunId("r"), new NodeId("s0"), "of other data", ["tcp://s0:1"]));
            Settle();
            Advance(6);
            Settle();
        }

        // Fencing would have stopped workers that do well without it.
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
        var log = File.ReadAllLines(Path.Combine(RunDirectory, "log.txt")).Where(static line => line.Contains("goes on without a coordinator", StringComparison.Ordinal));
        Assert.Contains("s0 has read other data than the coordinator", Assert.Single(log), StringComparison.Ordinal);
    }

    [Fact]
    public void A_node_that_comes_later_with_wrong_data_is_left_out()
    {
        var (server, workers) = Training("w0", "w1");
        var late = Register("w2", workers: 1);
        Prepare(late, sha256: "abc");
        Said<Notice>(static notice => notice.Text.StartsWith("Not used: w2 has read other data", StringComparison.Ordinal));
        Register(late);
        late.Probe.ExpectMsg<Nodes.Registered>();
        Settle();
        late.Probe.ExpectNoMsg(TimeSpan.Zero);
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
        workers[0].Probe.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void A_request_to_prepare_is_repeated_until_it_is_answered()
    {
        var server = Register("s0", server: true);
        Submit();
        Accepted();
        server.Probe.ExpectMsg<Nodes.Prepare>();
        Register(server, server: true);
        server.Probe.ExpectMsg<Nodes.Registered>();
        Prepare(server);
        Register(server, server: true);
        server.Probe.ExpectMsg<Nodes.Registered>();
        Settle();
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void A_stop_before_the_first_step_ends_the_run()
    {
        var server = Register("s0", server: true);
        Submit();
        Accepted();
        Coordinator.Tell(new Stop(Run));
        Assert.Equal((false, "stopped before the first step"), (Said<Ended>() is var ended && ended.Succeeded, ended.Failure));
        server.Probe.ExpectMsg<Nodes.Prepare>();
        server.Probe.ExpectMsg<Nodes.EndRun>();
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void A_stop_keeps_what_was_trained()
    {
        var server = Register("s0", server: true);
        var nodes = new[] { Register("w0", workers: 1), Register("w1", workers: 1) };
        Submit();
        Accepted();
        Prepare(nodes[0]);
        Prepare(nodes[1]);
        var plan = Plan();
        using var data = new DataPlaneServer("127.0.0.1", $"stop-{Environment.ProcessId}", Token, static _ => { });
        data.Serve(new ServedRun { Partitions = new Dictionary<int, Partition> { [0] = new(plan, plan.Ranges[0], 1, new StatisticsBoard(plan), new RecordedEvents()) }, LinkLost = static (_, _) => { } });
        Prepare(server, addresses: data.Addresses);
        server.Probe.ExpectMsg<Partitions.Host>();
        Fenced(1);
        Array.ForEach(nodes, static node => node.Probe.ExpectMsg<Assign>());
        Coordinator.Tell(new Stop(Run));
        Assert.True(server.Probe.ExpectMsg<Partitions.AskCheckpoint>().Last);

        // No step follows: it ends with what there is.
        Settle();
        Advance(5.2);
        Assert.Equal(2, server.Probe.FishForMessage<Partitions.Fence>(static _ => true, Patience).Generation.Value);
        Fenced(2);

        var ended = Said<Ended>();
        Assert.StartsWith("stopped at step 0 of 5; model.safetensors holds", ended.Failure, StringComparison.Ordinal);
        Assert.Contains("parametersSha256", ended.ResultJson, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(RunDirectory, "model.safetensors")));
        server.Probe.ExpectMsg<Nodes.EndRun>();
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void At_the_end_of_a_cluster_for_one_run_all_nodes_shut_down()
    {
        var server = Register("s0", server: true);
        Submit(endCluster: true);
        Accepted();
        Coordinator.Tell(new Stop(Run));
        server.Probe.ExpectMsg<Nodes.Prepare>();
        server.Probe.ExpectMsg<Nodes.Shutdown>();
    }

    [Fact]
    public void A_second_run_follows_in_the_same_cluster()
    {
        var (server, workers) = Training("w0", "w1");
        var first = Run;
        Coordinator.Tell(new Partitions.Failed(Run, new StepId(3), "the loss is not finite"));
        Assert.Equal("the loss is not finite", Said<Ended>().Failure);
        server.Probe.ExpectMsg<Nodes.EndRun>();
        Array.ForEach(workers, static worker => worker.Probe.ExpectMsg<Nodes.EndRun>());
        Directory.Delete(RunDirectory, recursive: true);

        Submit();
        Accepted();
        Assert.NotEqual(first, Run);
        Prepare(server);
        Array.ForEach(workers, worker => Prepare(worker));
        Assert.Equal((Run, 1L), (server.Probe.ExpectMsg<Partitions.Host>() is var host ? host.Run : default, host.Generation.Value));
        Coordinator.Tell(new Partitions.Fenced(first, PartitionId.Lead, new Generation(1), new StepId(9)));
        Settle();
        workers[0].Probe.ExpectNoMsg(TimeSpan.Zero);
        Fenced(1);
        ExpectAssign(workers[0], 1, 0, 1);
    }

    [Fact]
    public void A_folder_that_cannot_be_written_is_told_once_and_training_goes_on()
    {
        var (server, _) = Training("w0", "w1");
        Directory.Delete(RunDirectory, recursive: true);
        Register("w2", workers: 1);
        Advance(0.2);
        Said<Notice>(static notice => notice.Text.StartsWith("The run folder cannot be written: ", StringComparison.Ordinal));
        Settle();
        Advance(0.2);
        Settle();
        Coordinator.Tell(new Partitions.Failed(Run, new StepId(3), "the loss is not finite"));
        var between = new List<object>();
        Submitter.FishForMessage(
            message =>
            {
                between.Add(message);
                return message is Ended;
            },
            Patience);
        Assert.DoesNotContain(between.OfType<Notice>(), static notice => notice.Text.StartsWith("The run folder", StringComparison.Ordinal));
        server.Probe.ExpectMsg<Nodes.EndRun>();
    }
}
