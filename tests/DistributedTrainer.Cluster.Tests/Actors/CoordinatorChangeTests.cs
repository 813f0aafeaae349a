using Akka.Actor;
using Akka.TestKit;
using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Replay;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>How settings are changed: asked for, held, decided, loaded, answered; and what becomes of it where something fails.</summary>
public sealed class CoordinatorChangeTests : CoordinatorTest
{
    private static readonly Judgement Judged = new(null, 0, 0, 0, null, 0, 0);
    private static readonly string[] Async = ["training.mode=async", "training.staleness=null"];
    private ServedPartitions? _served;

    public CoordinatorChangeTests()
    {
        Experiment = new TestExperiment { Workers = 1, Layers = ["linear: 64", "relu", "linear: 128", "relu", "linear: 3"], Partitions = 2, Training = "{ epochs: 2, batch-size: 30, shards: 4, mode: stale, staleness: 2 }" };
        Operator = CreateTestProbe("operator");
    }

    private TestProbe Operator { get; }

    private CheckpointFolder Folder => new(RunDirectory, keep: 3);

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _served?.Dispose();
    }

    [Fact]
    public void It_holds_when_all_partitions_have_loaded_the_checkpoint_that_was_made_for_it()
    {
        var (server, worker) = Serving();
        Wants("a", "training.mode=async");
        Assert.Equal(("a", "a checkpoint is made for it"), Operator.ExpectMsg<ChangePending>() is var pending ? (pending.Request, pending.Waits) : default);
        Assert.True(server.Probe.FishForMessage<Partitions.AskCheckpoint>(static _ => true, Patience).Last);
        HeldAt(server, 3, generation: 1);
        Assert.DoesNotContain("async", Yaml(), StringComparison.Ordinal);

        // Whoever asks again meanwhile is told that it is at it; whoever wants something else waits.
        Wants("b", "training.mode=sync");
        Assert.Contains("Another change is being made: training.mode is async (was stale)", Assert.Single(Operator.ExpectMsg<NotChanged>().Problems), StringComparison.Ordinal);
        Written(server, 3);
        var host = server.Probe.FishForMessage<Partitions.Host>(static _ => true, Patience);
        Assert.Equal((2L, 3L), (host.Generation.Value, host.From.Value));
        Assert.Equal(Async, host.Settings);
        Assert.Contains("mode: async", Yaml(), StringComparison.Ordinal);
        Operator.ExpectNoMsg(TimeSpan.Zero);
        Loaded(server, 3, generation: 2);
        var assign = worker.Probe.FishForMessage<Protocol.Workers.Assign>(static _ => true, Patience);
        Assert.Equal((2L, 2L, 3L), (assign.Generation.Value, assign.Loaded.Value, assign.From.Value));
        Assert.Equal(Async, assign.Settings);
        var changed = Operator.ExpectMsg<Changed>();
        Assert.Equal(("a", 3L, "training.mode", "stale", "async"), changed.Differences[0] is var one ? (changed.Request, changed.From.Value, one.Key, one.Before, one.Value) : default);
        Said<Notice>(static notice => notice.Text == "From step 3 on: training.mode is async (was stale), training.staleness is null (was 2).");

        // Its answer was lost: it is not done twice.
        Wants("a", "training.mode=async");
        Operator.ExpectMsg<Changed>();
        Wants("c", "training.mode=async");
        Assert.Empty(Operator.ExpectMsg<Changed>().Differences);
    }

    [Fact]
    public void A_partition_that_stands_still_where_the_lead_was_fenced_since_is_released_and_it_is_asked_for_again()
    {
        var (server, worker) = Serving();
        Wants("a", "training.mode=async");
        Operator.ExpectMsg<ChangePending>();
        server.Probe.FishForMessage<Partitions.AskCheckpoint>(static _ => true, Patience);
        Train(0, 3);

        // The lead partition had taken the step when a worker was lost, the other one takes it afterwards.
        Coordinator.Tell(new Partitions.LinkLost(Run, worker.Worker, "cut"));
        Taken(server, 3, partition: 0);
        ExpectFences(server, 2);
        Fenced(2, version: 3, partition: 0);
        Fenced(2, version: 2, partition: 1);
        Settle();
        Advance(2);
        Coordinator.Tell(new Protocol.Workers.Status(Run, worker.Worker, new StepId(2), 0, Protocol.Workers.Status.Standby, new StepCosts(0, 0, 0, 0, 0, 0, 0)));
        ExpectFences(server, 3);
        Fenced(3, version: 3, partition: 0);
        Fenced(3, version: 2, partition: 1);
        worker.Probe.FishForMessage<Protocol.Workers.Assign>(static assign => assign.Generation.Value == 3, Patience);
        Taken(server, 3, partition: 1);
        ExpectFences(server, 4);
        Assert.DoesNotContain("async", Yaml(), StringComparison.Ordinal);
        Fenced(4, version: 3, partition: 0);
        Fenced(4, version: 3, partition: 1);
        Assert.True(server.Probe.FishForMessage<Partitions.AskCheckpoint>(static _ => true, Patience).Last);
    }

    [Fact]
    public void Where_the_checkpoint_cannot_be_written_all_stays_as_it_was()
    {
        var (server, worker) = Serving();
        File.WriteAllText(Path.Combine(RunDirectory, "checkpoints"), "a file");
        Wants("a", "training.mode=async");
        Operator.ExpectMsg<ChangePending>();
        HeldAt(server, 3, generation: 1);
        Taken(server, 3, partition: 1);
        var not = Operator.ExpectMsg<NotChanged>();
        Assert.False(not.IsWrong);
        Assert.StartsWith("The checkpoint of step 3, which it needs, could not be written: ", Assert.Single(not.Problems), StringComparison.Ordinal);
        Assert.EndsWith("Training goes on as before.", not.Problems[0], StringComparison.Ordinal);
        ExpectFences(server, 2);
        Fenced(2, version: 3, partition: 0);
        Fenced(2, version: 3, partition: 1);
        Assert.Null(worker.Probe.FishForMessage<Protocol.Workers.Assign>(static assign => assign.Generation.Value == 2, Patience).Settings);
        Assert.DoesNotContain("async", Yaml(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_only_the_coordinator_has_to_know_holds_at_once_and_lets_a_run_go_on_that_waits_for_workers()
    {
        Experiment = Experiment with { Workers = 2, MinimumWorkers = 2 };
        var server = Register("s0", server: true);
        Node[] workers = [Register("w0", workers: 1), Register("w1", workers: 1)];
        Submit();
        Accepted();
        Array.ForEach(workers, worker => Prepare(worker));
        Prepare(server);
        server.Probe.ExpectMsg<Partitions.Host>();
        Both(1);
        Coordinator.Tell(new Partitions.LinkLost(Run, workers[1].Worker, "cut"));
        ExpectFences(server, 2);
        Both(2);
        Said<Notice>(static notice => notice.Text.StartsWith("Paused:", StringComparison.Ordinal));
        Wants("a", "cluster.minimum-workers=1", "checkpoint.keep=9");
        Assert.Equal(["checkpoint.keep", "cluster.minimum-workers"], Operator.ExpectMsg<Changed>().Differences.Select(static one => one.Key));
        ExpectFences(server, 3);
        Both(3);
        Assert.Null(workers[0].Probe.FishForMessage<Protocol.Workers.Assign>(static assign => assign.Generation.Value == 3, Patience).Settings);
        Assert.Contains("minimum-workers: 1", Yaml(), StringComparison.Ordinal);
    }

    [Fact]
    public void Who_asks_when_the_run_ends_is_told_so()
    {
        var (server, _) = Serving();
        Wants("a", "training.mode=async");
        Operator.ExpectMsg<ChangePending>();
        Coordinator.Tell(new Partitions.Failed(Run, new StepId(3), "the loss is not finite"));
        Assert.StartsWith("The run ended before it could be changed: the loss is not finite", Assert.Single(Operator.ExpectMsg<NotChanged>().Problems), StringComparison.Ordinal);
        server.Probe.FishForMessage<Nodes.EndRun>(static _ => true, Patience);
    }

    [Fact]
    public void A_coordinator_that_has_just_begun_does_not_say_that_there_is_no_run()
    {
        Wants("a", "training.mode=async");
        Operator.ExpectMsg<ChangePending>();
        Advance(6);
        Wants("a", "training.mode=async");
        Assert.Equal((true, "No training is running in this cluster."), Operator.ExpectMsg<NotChanged>() is var not ? (not.IsWrong, not.Problems[0]) : default);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_the_coordinator_before_had_decided_is_done_by_the_one_that_takes_over(bool loaded)
    {
        (Run, Token) = (new RunId("r1"), 77);
        using (var folder = RunFolder.Create(RunDirectory, Experiment.Yaml))
        {
            new RunProgress(Plan(), folder, TimeSpan.Zero).StepsApplied(ServedPartitions.Told(Run, Plan(), 0, 4), TimeSpan.FromSeconds(1));
            folder.Experiment(Experiment.Yaml.Replace("mode: stale, staleness: 2", "mode: async", StringComparison.Ordinal));
        }

        Folder.Write(SampleCheckpoint.Of(Plan(), 4), Plan().Ranges);
        var preparation = new Nodes.Prepare(Run, Token, Experiment.Yaml, "", RunDirectory, false);
        var (server, worker) = (Register("s0", server: true, run: Run), Register("w0", workers: 1, run: Run));
        server.Probe.ExpectMsg<Nodes.Recall>();
        worker.Probe.ExpectMsg<Nodes.Recall>();
        Answer(server, new Nodes.Recalled(preparation, new NodeId("s0"), new Generation(loaded ? 7 : 6), new Generation(loaded ? 7 : 2), [0, 1], loaded ? Async : null));
        Answer(worker, new Nodes.Recalled(preparation, new NodeId("w0"), new Generation(6), new Generation(2), []));
        Prepare(worker);
        Prepare(server);
        if (loaded)
        {
            ExpectFences(server, 8);
            Fenced(8, version: 5, partition: 0);
            Fenced(8, version: 5, partition: 1);
        }
        else
        {
            var host = server.Probe.FishForMessage<Partitions.Host>(static _ => true, Patience);
            Assert.Equal((7L, 4L), (host.Generation.Value, host.From.Value));
            Assert.Equal(Async, host.Settings);
            Both(7, version: 4);
        }

        Assert.Equal(Async, worker.Probe.FishForMessage<Protocol.Workers.Assign>(static _ => true, Patience).Settings);
        Assert.Contains("mode: async", Yaml(), StringComparison.Ordinal);

        // Whoever has not got an answer asks again.
        Wants("a", "training.mode=async");
        var changed = Operator.ExpectMsg<Changed>();
        Assert.Empty(changed.Differences);
        Assert.Equal(4, changed.From.Value);
    }

    private void Wants(string request, params string[] set) => Coordinator.Tell(new Change(request, set), Operator.Ref);

    private string Yaml() => File.ReadAllText(Path.Combine(RunDirectory, "experiment.yaml"));

    private (Node Server, Node Worker) Serving()
    {
        var (server, worker) = (Register("s0", server: true), Register("w0", workers: 1));
        Submit();
        Accepted();
        Prepare(worker);
        _served = new ServedPartitions(Plan());
        _served.Begin();
        Prepare(server, addresses: _served.Addresses);
        server.Probe.ExpectMsg<Partitions.Host>();
        Both(1);
        worker.Probe.ExpectMsg<Protocol.Workers.Assign>();
        return (server, worker);
    }

    private void Both(long generation, long version = 0)
    {
        Fenced(generation, version, partition: 0);
        Fenced(generation, version, partition: 1);
    }

    private void ExpectFences(Node server, long generation)
    {
        foreach (var partition in (int[])[0, 1])
        {
            Assert.Equal((partition, generation), server.Probe.FishForMessage<Partitions.Fence>(static _ => true, Patience) is var fence ? (fence.Partition.Value, fence.Generation.Value) : default);
        }
    }

    private void Train(long from, long until)
    {
        foreach (var bench in _served!.Benches)
        {
            var channel = new RecordingChannel();
            bench.Partition.Join(channel, new Channels.FrameHeader { Kind = Channels.FrameKind.Pull, Generation = 1, Step = from }, LooseMember.Introduction([0, 1, 2, 3], 4, "w0"));
            for (var step = from; step < until; step++)
            {
                Assert.Null(bench.Push(step, new Engine.Reduction.TreeNode(2, 0)));
                bench.Partition.WantNext(channel, bench.Header(step, new Engine.Reduction.TreeNode(2, 0)));
            }

            Assert.True(bench.Partition.TakeSnapshot(until));
        }

        Coordinator.Tell(ServedPartitions.Told(Run, _served.Plan, from, until));
    }

    private void Taken(Node server, long version, int partition) =>
        Answer(server, new Partitions.SnapshotTaken(Run, new PartitionId(partition), new StepId(version), 0, partition == 0 ? Judged : null, Held: true));

    /// <summary>The lead partition has told that it stands still; the other one has not.</summary>
    private void HeldAt(Node server, long version, long generation)
    {
        Assert.Equal(1, generation);
        Train(0, version);
        Taken(server, version, partition: 0);
        Settle();
    }

    private void Written(Node server, long version)
    {
        Taken(server, version, partition: 1);
        server.Probe.FishForMessage<Partitions.SnapshotDone>(done => done.Version.Value == version, Patience);
        Assert.Equal((version, "stale"), Folder.Newest([]) is { } checkpoint && checkpoint.Orders is [{ Mode: { } mode }] ? (checkpoint.Step, Experiments.ExperimentNames.Of(mode)) : default);
        Assert.Equal([0L], Folder.Newest([])!.Orders.Select(static section => section.From));
    }

    private void Loaded(Node server, long version, long generation)
    {
        _served!.Begin(generation, new StartingPoint(version, default));
        Answer(server, new Partitions.Hosted(Run, new NodeId("s0"), new Generation(generation)));
        AwaitCondition(() => _served.Benches.All(static bench => bench.Partition.IsWhole), Patience);
        Both(generation, version);
    }
}
