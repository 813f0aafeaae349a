using Akka.Actor;
using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;
using DistributedTrainer.Tests.Shared;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>A coordinator that begins anew while a run goes on without it.</summary>
public sealed class CoordinatorRecallTests : CoordinatorTest
{
    public CoordinatorRecallTests()
        : base(new TestAuthority())
    {
        Experiment = new TestExperiment { Workers = 1, Training = "{ epochs: 2, batch-size: 30, shards: 4 }" };
        (Run, Token) = (new RunId("r1"), 77);
    }

    private Nodes.Prepare Preparation => new(Run, Token, Experiment.Yaml, "", RunDirectory, false);

    [Fact]
    public void It_asks_the_nodes_and_takes_over_with_a_newer_generation()
    {
        Earlier(steps: 4);
        var (server, worker) = (Recalled("s0", newest: 7, loaded: 2, server: true, 0), Recalled("w0", newest: 6, loaded: 2));
        Prepare(worker);
        Prepare(server);
        ExpectFence(server, 8);
        Fenced(8, version: 5);
        var assign = ExpectAssign(worker, 8, 0, 1, 2, 3);
        Assert.Equal((2L, 5L), (assign.Loaded.Value, assign.From.Value));
        Assert.Equal("s0", Assert.Single(assign.Routes).Node.Value);
        Assert.Equal("name: test", File.ReadLines(Path.Combine(RunDirectory, "experiment.yaml")).First());
    }

    [Fact]
    public void A_partition_that_knows_a_newer_generation_is_fenced_beyond_it()
    {
        Earlier(steps: 4);
        var (server, worker) = (Recalled("s0", newest: 3, loaded: 1, server: true, 0), Recalled("w0", newest: 3, loaded: 1));
        Prepare(worker);
        Prepare(server);
        ExpectFence(server, 4);
        Fenced(11, version: 5);
        ExpectFence(server, 12);
        Fenced(12, version: 5);
        ExpectAssign(worker, 12, 0, 1, 2, 3);
    }

    [Fact]
    public void Steps_with_a_gap_before_them_count_when_all_of_them_are_told_again()
    {
        Earlier(steps: 4);
        var (server, worker) = Taken();
        Coordinator.Tell(ServedPartitions.Told(Run, Plan(), 5, 7));
        Coordinator.Tell(new Partitions.Evaluated(Run, new StepId(5), new SetSums(0, 0, 0), new SetSums(0, 0, 0), [], new StepId(0), true));
        Settle();
        Advance(0.2);
        Settle();
        Assert.Equal(4, Lines());
        Coordinator.Tell(ServedPartitions.Told(Run, Plan(), 3, 7));
        Settle();
        Advance(0.2);
        Settle();
        Assert.Equal(7, Lines());
        Assert.Equal(6, server.Probe.FishForMessage<Partitions.StepsKept>(static kept => kept.Step.Value > 3, Patience).Step.Value);
        Assert.False(File.Exists(Path.Combine(RunDirectory, "result.json")));
        worker.Probe.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void The_end_that_is_told_before_all_nodes_are_known_waits_until_they_are()
    {
        Earlier(steps: 10);
        var worker = Recalled("w0", newest: 6, loaded: 2);
        Prepare(worker);
        Coordinator.Tell(new Partitions.Evaluated(Run, new StepId(10), new SetSums(0, 0, 0), new SetSums(0, 0, 0), [], new StepId(0), true));
        Settle();
        var server = Recalled("s0", newest: 7, loaded: 2, server: true, 0);
        Prepare(server);
        ExpectFence(server, 8);
        Fenced(8, version: 10);
        Assert.Equal(10, server.Probe.FishForMessage<Partitions.TakeSnapshot>(static _ => true, Patience).Version.Value);
    }

    [Fact]
    public void A_pause_that_the_coordinator_before_it_has_seen_is_one()
    {
        Experiment = Experiment with { Training = "{ epochs: 3, batch-size: 30, shards: 4, pause-after: 2 }" };
        Earlier(steps: 10);
        var worker = Recalled("w0", newest: 6, loaded: 2);
        Prepare(worker);
        Coordinator.Tell(new Partitions.Evaluated(Run, new StepId(10), new SetSums(0, 0, 0), new SetSums(0, 0, 0), [], new StepId(0), false));
        Settle();
        var server = Recalled("s0", newest: 7, loaded: 2, server: true, 0);
        Prepare(server);
        ExpectFence(server, 8);
        Fenced(8, version: 10);
        Assert.Equal(10, server.Probe.FishForMessage<Partitions.TakeSnapshot>(static _ => true, Patience).Version.Value);
    }

    [Fact]
    public void Whoever_watched_the_run_goes_on_watching()
    {
        Earlier(steps: 4);
        Taken();
        Coordinator.Tell(new Watch(new RunId("other"), RunDirectory + "2"), Submitter.Ref);
        Settle();
        Advance(0.2);
        Settle();
        Submitter.ExpectNoMsg(TimeSpan.Zero);
        Coordinator.Tell(new Watch(Run, RunDirectory), Submitter.Ref);
        Settle();
        Advance(0.2);
        Assert.Equal((4L, "training"), Said<View>() is var view ? (view.Step, view.Phase) : default);
        Coordinator.Tell(ServedPartitions.Told(Run, Plan(), 4, 5));
        Said<Notice>(static notice => notice.Text.StartsWith("Going on at step 4,", StringComparison.Ordinal) && notice.Text.Contains("the coordinator began anew", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("stopped at step 4 of 10; model.safetensors holds the parameters of that step")]
    public void Whoever_watched_a_run_that_ended_under_another_coordinator_is_told_how(string? failure)
    {
        var directory = Directory.CreateDirectory(RunDirectory + "2").FullName;
        File.WriteAllText(Path.Combine(directory, "result.json"), "{}");
        if (failure is not null)
        {
            File.WriteAllText(Path.Combine(directory, "ended.txt"), failure + "\n");
        }

        Coordinator.Tell(new Watch(new RunId("other"), directory), Submitter.Ref);
        Assert.Equal(new Ended(new RunId("other"), failure is null, failure, "{}", directory), Said<Ended>());
    }

    [Fact]
    public void What_nobody_has_any_more_is_loaded_after_a_while()
    {
        Earlier(steps: 4);
        var checkpoint = SampleCheckpoint.Of(Plan(), 3);
        new CheckpointFolder(RunDirectory, keep: 3).Write(checkpoint, Plan().Ranges);
        var (spare, worker) = (Recalled("s1", newest: 6, loaded: 2, server: true), Recalled("w0", newest: 6, loaded: 2));
        Prepare(worker);
        Prepare(spare);
        Settle();
        Advance(4.8);
        Settle();
        spare.Probe.ExpectNoMsg(TimeSpan.Zero);
        Advance(0.6);
        var host = spare.Probe.ExpectMsg<Partitions.Host>();
        Assert.Equal((7L, 3L), (host.Generation.Value, host.From.Value));
        Assert.Equal([0], host.Partitions);
    }

    [Fact]
    public void What_is_being_loaded_is_loaded_again_when_a_newer_generation_is_found()
    {
        Earlier(steps: 4);
        new CheckpointFolder(RunDirectory, keep: 3).Write(SampleCheckpoint.Of(Plan(), 3), Plan().Ranges);
        using var served = new ServedPartitions(Plan());
        var (spare, worker) = (Recalled("s1", newest: 6, loaded: 2, server: true), Recalled("w0", newest: 6, loaded: 2));
        Prepare(worker);
        Prepare(spare, addresses: served.Addresses);
        Settle();
        Advance(5.4);
        Assert.Equal(7, spare.Probe.ExpectMsg<Partitions.Host>().Generation.Value);

        // From a partition of the time before.
        Fenced(9, version: 5);
        Assert.Equal((10L, 3L), spare.Probe.ExpectMsg<Partitions.Host>() is var again ? (again.Generation.Value, again.From.Value) : default);

        // From a node that refuses what is older than what it knows.
        Answer(spare, new Partitions.Hosted(Run, new NodeId("s1"), new Generation(15)));
        var host = spare.Probe.ExpectMsg<Partitions.Host>();
        Assert.Equal((16L, 3L), (host.Generation.Value, host.From.Value));
        served.Begin(16, new StartingPoint(3, Verdict.Unpack(host.Verdict)));
        Answer(spare, new Partitions.Hosted(Run, new NodeId("s1"), host.Generation));
        AwaitCondition(() => served.Benches[0].Partition.IsWhole, Patience);
        Fenced(16, version: 3);
        Assert.Equal((16L, 16L, 3L), worker.Probe.ExpectMsg<Protocol.Workers.Assign>() is var assign ? (assign.Generation.Value, assign.Loaded.Value, assign.From.Value) : default);
    }

    [Fact]
    public void A_run_that_has_a_result_is_over()
    {
        Earlier(steps: 4);
        File.WriteAllText(Path.Combine(RunDirectory, "result.json"), "{}");
        var node = Register("w0", workers: 1, run: Run);
        Answer(node, Recall(node, 3, 1));
        Assert.Equal(Run, node.Probe.ExpectMsg<Nodes.EndRun>().Run);

        // And who tells of it later is told so at once.
        var late = Register("w1", workers: 1, run: Run);
        Assert.Equal(Run, late.Probe.ExpectMsg<Nodes.EndRun>().Run);
        Assert.True(File.Exists(Path.Combine(RunDirectory, "result.json")));
    }

    [Fact]
    public void A_node_that_has_missed_the_end_of_a_run_is_told_of_it()
    {
        var (server, _) = Training("w0");
        Coordinator.Tell(new Partitions.Failed(Run, new StepId(3), "the loss is not finite"));
        Said<Ended>();
        server.Probe.ExpectMsg<Nodes.EndRun>();
        Register(server, server: true, Run);
        server.Probe.ExpectMsg<Nodes.Registered>();
        Assert.Equal(Run, server.Probe.ExpectMsg<Nodes.EndRun>().Run);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_checkpoint_that_was_being_made_is_finished_by_the_one_that_takes_over(bool elsewhere)
    {
        Earlier(steps: 4);
        using var served = new ServedPartitions(Plan(), Authority!.Node());
        served.Begin();
        served.Train(0, 3);
        var (server, worker) = (Recalled("s0", newest: 3, loaded: 1, server: true, 0), Recalled("w0", newest: 3, loaded: 1));
        Prepare(worker);

        // Over a network it is encrypted.
        Prepare(server, addresses: elsewhere ? [.. served.Addresses.Where(static address => address.StartsWith("tcp://", StringComparison.Ordinal))] : served.Addresses);
        ExpectFence(server, 4);
        Fenced(4, version: 4);
        ExpectAssign(worker, 4, 0, 1, 2, 3);

        // The partition tells again what nobody has answered for.
        Answer(server, new Partitions.SnapshotTaken(Run, PartitionId.Lead, new StepId(3), 0, new Judgement(null, 0, 0, 0, null, 0, 0)));
        Assert.Equal(3, server.Probe.FishForMessage<Partitions.SnapshotDone>(static _ => true, Patience).Version.Value);
        Assert.Equal(3, new CheckpointFolder(RunDirectory, keep: 3).Newest([])!.Step);
    }

    /// <summary>What an earlier coordinator has written.</summary>
    private void Earlier(int steps)
    {
        using var folder = RunFolder.Create(RunDirectory, Experiment.Yaml);
        var progress = new RunProgress(Plan(), folder, TimeSpan.Zero);
        progress.StepsApplied(ServedPartitions.Told(Run, Plan(), 0, steps), TimeSpan.FromSeconds(1));
    }

    /// <summary>A node that has the run: it is asked, and answers.</summary>
    private Node Recalled(string name, long newest, long loaded, bool server = false, params int[] partitions)
    {
        var node = Register(name, server, server ? 0 : 1, Run);
        Answer(node, Recall(node, newest, loaded, partitions));
        return node;
    }

    private Nodes.Recalled Recall(Node node, long newest, long loaded, params int[] partitions)
    {
        Assert.Equal(Run, node.Probe.ExpectMsg<Nodes.Recall>().Run);
        return new Nodes.Recalled(Preparation, new NodeId(node.Name), new Generation(newest), new Generation(loaded), partitions);
    }

    private (Node Server, Node Worker) Taken()
    {
        var (server, worker) = (Recalled("s0", newest: 3, loaded: 1, server: true, 0), Recalled("w0", newest: 3, loaded: 1));
        Prepare(worker);
        Prepare(server);
        ExpectFence(server, 4);
        Fenced(4, version: 4);
        ExpectAssign(worker, 4, 0, 1, 2, 3);
        return (server, worker);
    }

    private int Lines()
    {
        using var reader = new StreamReader(new FileStream(Path.Combine(RunDirectory, "metrics.jsonl"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length;
    }
}
