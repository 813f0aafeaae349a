using Akka.Actor;
using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>How a state comes back to servers: when a run is resumed, and when a server was lost.</summary>
public sealed class CoordinatorLoadingTests : CoordinatorTest
{
    private static readonly string[] Layers = ["linear: 64", "relu", "linear: 128", "relu", "linear: 3"];

    // No way leads there.
    private static readonly string[] Nowhere = ["tcp://127.0.0.1:1"];

    public CoordinatorLoadingTests() =>
        Experiment = new TestExperiment { Workers = 1, Layers = Layers, Partitions = 2, Training = "{ epochs: 2, batch-size: 30, shards: 4 }" };

    [Fact]
    public void A_resumed_run_goes_on_from_its_newest_checkpoint()
    {
        var written = Write(3);
        var (server, worker) = Resumed();
        using var served = new ServedPartitions(Plan());
        served.Begin(1, new StartingPoint(3, Verdict.Unpack(written.Manifest.Verdict)));
        Said<Notice>(static notice => notice.Text == "Going on from the checkpoint of step 3 of 10.");
        Prepare(server, addresses: served.Addresses);
        var host = server.Probe.ExpectMsg<Partitions.Host>();
        Assert.Equal((1L, 3L, written.Manifest.Verdict, written.Manifest.Judgement), (host.Generation.Value, host.From.Value, host.Verdict, host.Judgement));
        Answer(server, new Partitions.Hosted(Run, new NodeId("s0"), host.Generation));
        WholeAnswer(served);
        var assign = worker.Probe.ExpectMsg<Protocol.Workers.Assign>();
        Assert.Equal((1L, 1L, 3L), (assign.Generation.Value, assign.Loaded.Value, assign.From.Value));
        foreach (var bench in served.Benches)
        {
            var range = bench.Partition.Range;
            Assert.Equal(written.Parameters[range.Offset..(range.Offset + range.Length)], bench.Parameters(3));
        }
    }

    [Fact]
    public void A_damaged_checkpoint_is_passed_over_with_a_warning()
    {
        Write(3);
        Write(6);
        File.Delete(Path.Combine(RunDirectory, "checkpoints", "step-00000006", "partition-1.safetensors"));
        Register("s0", server: true);
        Submit(resume: true);
        Accepted();
        Said<Notice>(static notice => notice.Text == "Going on from the checkpoint of step 3 of 10.");
        Said<Notice>(static notice => notice.Text.StartsWith("Warning: ", StringComparison.Ordinal) && notice.Text.Contains("partition-1.safetensors", StringComparison.Ordinal));
    }

    [Fact]
    public void A_run_without_a_checkpoint_is_resumed_from_the_beginning()
    {
        Directory.CreateDirectory(RunDirectory);
        File.WriteAllText(Path.Combine(RunDirectory, "metrics.jsonl"), "{\"step\":1,\"loss\":0.5}\n");
        Submit(resume: true);
        Accepted();
        Said<Notice>(static notice => notice.Text == "There is no checkpoint yet: training begins anew.");
        Assert.Equal("", File.ReadAllText(Path.Combine(RunDirectory, "metrics.jsonl")));
    }

    [Fact]
    public void Another_experiment_is_not_resumed_and_nothing_is_changed()
    {
        Write(3);
        File.WriteAllText(Path.Combine(RunDirectory, "result.json"), "{}");
        Experiment = Experiment with { Seed = 8 };
        Submit(resume: true);
        Assert.Contains("the experiment is not that of the checkpoint of step 3", Assert.Single(Submitter.ExpectMsg<Rejected>().Problems), StringComparison.Ordinal);
        Assert.Equal(["checkpoints", "result.json"], Directory.EnumerateFileSystemEntries(RunDirectory).Select(static path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_second_server_takes_over_at_once_from_one_that_dies()
    {
        Experiment = Experiment with { Servers = 2 };
        var (first, second, worker) = (Register("s0", server: true), Register("s1", server: true), Register("w0", workers: 1));
        Submit();
        Accepted();
        Prepare(first);
        Prepare(second);
        Prepare(worker);
        Assert.Equal([0], first.Probe.ExpectMsg<Partitions.Host>().Partitions);
        Assert.Equal([1], second.Probe.ExpectMsg<Partitions.Host>().Partitions);
        Both(1);
        worker.Probe.ExpectMsg<Protocol.Workers.Assign>();
        Die(first);
        var host = second.Probe.ExpectMsg<Partitions.Host>();
        Assert.Equal((2L, 0L), (host.Generation.Value, host.From.Value));
        Assert.Equal([0, 1], host.Partitions);
        Both(2);
        var assign = worker.Probe.ExpectMsg<Protocol.Workers.Assign>();
        Assert.Equal((2L, 2L, 0L), (assign.Generation.Value, assign.Loaded.Value, assign.From.Value));
        Assert.All(assign.Routes, static route => Assert.Equal("s1", route.Node.Value));
    }

    [Fact]
    public void Training_goes_back_to_the_newest_checkpoint_when_a_server_is_lost()
    {
        var (server, workers) = Hosted("w0");
        server.Probe.ExpectMsg<Partitions.Host>();
        Both(1);
        workers[0].Probe.ExpectMsg<Protocol.Workers.Assign>();
        Coordinator.Tell(ServedPartitions.Told(Run, Plan(), 0, 6));
        Write(4);
        using var served = new ServedPartitions(Plan());
        var other = Register("s1", server: true);
        Prepare(other, addresses: served.Addresses);
        Die(server);
        Said<Notice>(static notice => notice.Text.StartsWith("S0 died", StringComparison.Ordinal) && notice.Text.EndsWith("training goes back to the last checkpoint.", StringComparison.Ordinal));
        var host = other.Probe.ExpectMsg<Partitions.Host>();
        Assert.Equal((2L, 4L), (host.Generation.Value, host.From.Value));
        served.Begin(2, new StartingPoint(4, Verdict.Unpack(host.Verdict)));
        Answer(other, new Partitions.Hosted(Run, new NodeId("s1"), host.Generation));
        WholeAnswer(served, generation: 2);
        Assert.Equal(4, workers[0].Probe.ExpectMsg<Protocol.Workers.Assign>().From.Value);

        // The steps that are repeated are counted.
        Coordinator.Tell(ServedPartitions.Told(Run, Plan(), 4, 5));
        Said<Notice>(static notice => notice.Text.StartsWith("Going on at step 4,", StringComparison.Ordinal));
    }

    [Fact]
    public void A_server_that_is_lost_while_it_is_loaded_has_another_one_begin_again()
    {
        Write(3);
        var (server, worker) = Resumed();
        Prepare(server, addresses: Nowhere);
        server.Probe.ExpectMsg<Partitions.Host>();
        Die(server);
        Said<Notice>(static notice => notice.Text.StartsWith("S0 died", StringComparison.Ordinal));
        var other = Register("s1", server: true);
        using var served = new ServedPartitions(Plan());
        Prepare(other, addresses: served.Addresses);
        var host = other.Probe.ExpectMsg<Partitions.Host>();
        Assert.Equal((2L, 3L), (host.Generation.Value, host.From.Value));

        // Of the one that is gone nothing counts any more.
        Coordinator.Tell(new Partitions.Hosted(Run, new NodeId("s0"), new Generation(1)));
        Both(1);
        served.Begin(2, new StartingPoint(3, Verdict.Unpack(host.Verdict)));
        Answer(other, new Partitions.Hosted(Run, new NodeId("s1"), host.Generation));
        WholeAnswer(served, generation: 2);
        Assert.Equal((2L, 3L), worker.Probe.ExpectMsg<Protocol.Workers.Assign>() is var assign ? (assign.Generation.Value, assign.From.Value) : default);
    }

    [Fact]
    public void Loading_that_always_fails_ends_the_run_with_the_reason()
    {
        Write(3);
        var (server, _) = Resumed();
        Prepare(server, addresses: Nowhere);
        for (var attempt = 1; attempt <= 5; attempt++)
        {
            var host = server.Probe.ExpectMsg<Partitions.Host>();
            Assert.Equal(attempt, host.Generation.Value);
            Answer(server, new Partitions.Hosted(Run, new NodeId("s0"), host.Generation));
        }

        var ended = Said<Ended>();
        Assert.StartsWith("the state of step 3 could not be brought to the servers: ", ended.Failure, StringComparison.Ordinal);
        Assert.Contains(Nowhere[0], ended.Failure, StringComparison.Ordinal);
        Assert.EndsWith("The last checkpoint is of step 3.", ended.Failure, StringComparison.Ordinal);
    }

    [Fact]
    public void A_state_that_is_not_taken_over_is_brought_again()
    {
        Write(3);
        var (server, worker) = Resumed();
        using var served = new ServedPartitions(Plan());
        served.Begin(1, new StartingPoint(3, default));
        Prepare(server, addresses: served.Addresses);
        var host = server.Probe.ExpectMsg<Partitions.Host>();
        Answer(server, new Partitions.Hosted(Run, new NodeId("s0"), host.Generation));
        AwaitCondition(() => Array.TrueForAll(served.Benches, static bench => bench.Partition.IsWhole), Patience);

        // The coordinator knows that all was sent, and is not told that it has come.
        AwaitAssert(
            () =>
            {
                Settle();
                Advance(10.3);
                Assert.StartsWith("Partitions have not taken over the state of step 3", Submitter.FishForMessage<Notice>(static _ => true, TimeSpan.FromSeconds(1)).Text, StringComparison.Ordinal);
            },
            Patience);
        host = server.Probe.FishForMessage<Partitions.Host>(static host => host.Generation.Value == 2, Patience);
        served.Begin(2, new StartingPoint(3, Verdict.Unpack(host.Verdict)));
        Answer(server, new Partitions.Hosted(Run, new NodeId("s0"), host.Generation));
        WholeAnswer(served, generation: 2);
        Assert.Equal(2, worker.Probe.ExpectMsg<Protocol.Workers.Assign>().Generation.Value);
    }

    [Fact]
    public void A_stop_while_no_server_is_there_to_be_loaded_ends_the_run()
    {
        Write(3);
        var (server, _) = Resumed();
        Prepare(server, addresses: Nowhere);
        server.Probe.ExpectMsg<Partitions.Host>();
        Die(server);
        Said<Notice>(static notice => notice.Text.StartsWith("S0 died", StringComparison.Ordinal));
        Coordinator.Tell(new Stop(Run));
        var failure = Said<Ended>().Failure;
        Assert.StartsWith("stopped while the state of a checkpoint was looked for", failure, StringComparison.Ordinal);
        Assert.EndsWith("The last checkpoint is of step 3.", failure, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stop_whose_server_dies_too_ends_the_run_when_no_other_comes()
    {
        Write(3);
        var (server, _) = Resumed();
        Prepare(server, addresses: Nowhere);
        server.Probe.ExpectMsg<Partitions.Host>();

        // As a signal to a whole group of processes does: what was being brought to the server has nowhere to go any more.
        Coordinator.Tell(new Stop(Run));
        Settle();
        Die(server);
        Said<Notice>(static notice => notice.Text.StartsWith("S0 died", StringComparison.Ordinal));
        Settle();
        Advance(5.3);
        Assert.StartsWith("stopped while the state of a checkpoint was looked for", Said<Ended>().Failure, StringComparison.Ordinal);
    }

    private Checkpoint Write(long step)
    {
        var plan = Plan();
        var checkpoint = SampleCheckpoint.Of(plan, step);
        new CheckpointFolder(RunDirectory, keep: 5).Write(checkpoint, plan.Ranges);
        return checkpoint;
    }

    /// <summary>A run that is resumed, whose server is not prepared yet.</summary>
    private (Node Server, Node Worker) Resumed()
    {
        var (server, worker) = (Register("s0", server: true), Register("w0", workers: 1));
        Submit(resume: true);
        Accepted();
        Prepare(worker);
        return (server, worker);
    }

    private void Both(long generation)
    {
        Fenced(generation, partition: 0);
        Fenced(generation, partition: 1);
    }

    /// <summary>Partitions say that they are fenced once their state has come, as their actors do.</summary>
    private void WholeAnswer(ServedPartitions served, long generation = 1)
    {
        AwaitCondition(() => Array.TrueForAll(served.Benches, static bench => bench.Partition.IsWhole), Patience);
        foreach (var bench in served.Benches)
        {
            Fenced(generation, bench.Partition.Version, bench.Partition.Range.Id);
        }
    }
}
