using Akka.Actor;
using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>How checkpoints come about, with the partitions on the real data plane where their state is fetched.</summary>
public sealed class CoordinatorCheckpointTests : CoordinatorTest
{
    private static readonly Judgement Judged = new(null, 0, 0, 0, null, 0, 0);

    // 8771 parameters: up to three partitions.
    private static readonly string[] Layers = ["linear: 64", "relu", "linear: 128", "relu", "linear: 3"];
    private ServedPartitions? _served;
    private Node[] _workers = [];

    public CoordinatorCheckpointTests() =>
        Experiment = new TestExperiment { Workers = 1, Layers = Layers, Partitions = 2, Training = "{ epochs: 2, batch-size: 30, shards: 4 }" };

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _served?.Dispose();
    }

    [Fact]
    public void A_checkpoint_is_written_when_all_partitions_have_put_it_aside()
    {
        var server = Serving();
        Train(0, 3);
        Taken(server, 3, partition: 1);
        Settle();
        Advance(1);
        Settle();
        Assert.Empty(Folder.Steps);
        Taken(server, 3, partition: 0);
        Done(server, 3);
        var checkpoint = Folder.Newest([])!;
        Assert.Equal((3L, 0L, 3L, 1L), (checkpoint.Step, checkpoint.Manifest.Epoch, checkpoint.Manifest.StepInEpoch, checkpoint.Manifest.Generation));
        foreach (var bench in _served!.Benches)
        {
            var range = bench.Partition.Range;
            Assert.Equal(bench.Parameters(3), checkpoint.Parameters[range.Offset..(range.Offset + range.Length)]);
        }

        // Steps that a resumed run takes from the metrics are there.
        Assert.Equal(3, File.ReadLines(Path.Combine(RunDirectory, "metrics.jsonl")).Count());
    }

    [Fact]
    public void One_that_not_all_partitions_put_aside_is_given_up_and_the_next_one_is_made()
    {
        var server = Serving();
        Train(0, 2);
        Taken(server, 2, partition: 0);
        Settle();
        Advance(9.8);
        Settle();
        while (server.Probe.HasMessages)
        {
            Assert.IsNotType<Partitions.SnapshotDone>(server.Probe.ReceiveOne(TimeSpan.Zero));
        }

        Advance(0.4);
        Done(server, 2);

        // Too late: it is told so, alone.
        Taken(server, 2, partition: 1);
        Assert.Equal((1, 2L), server.Probe.FishForMessage<Partitions.SnapshotDone>(static _ => true, Patience) is var done ? (done.Partition.Value, done.Version.Value) : default);
        Assert.Empty(Folder.Steps);
        Train(2, 4);
        Taken(server, 4, partition: 0);
        Taken(server, 4, partition: 1);
        Done(server, 4);
        Assert.Equal([4L], Folder.Steps);
    }

    [Fact]
    public void A_newer_one_takes_the_place_of_one_that_is_not_complete()
    {
        var server = Serving();
        Train(0, 2);
        Taken(server, 2, partition: 0);
        Train(2, 4);
        Taken(server, 4, partition: 1);
        Done(server, 2);
        Taken(server, 4, partition: 0);
        Done(server, 4);
        Assert.Equal([4L], Folder.Steps);
    }

    [Fact]
    public void One_that_is_told_again_after_it_was_written_is_not_begun_again()
    {
        var server = Serving();
        Train(0, 2);
        Taken(server, 2, partition: 0);
        Taken(server, 2, partition: 0);
        Taken(server, 2, partition: 1);
        Done(server, 2);
        Taken(server, 2, partition: 1);
        Assert.Equal((1, 2L), server.Probe.FishForMessage<Partitions.SnapshotDone>(static _ => true, Patience) is var done ? (done.Partition.Value, done.Version.Value) : default);
    }

    [Fact]
    public void One_that_cannot_be_written_is_told_of_and_training_goes_on()
    {
        var server = Serving();
        var place = Path.Combine(RunDirectory, "checkpoints");
        File.WriteAllText(place, "a file");
        Train(0, 2);
        Taken(server, 2, partition: 0);
        Taken(server, 2, partition: 1);
        Said<Notice>(static notice => notice.Text.StartsWith("The checkpoint of step 2 could not be written: ", StringComparison.Ordinal) && notice.Text.EndsWith("There is none yet.", StringComparison.Ordinal));
        Done(server, 2);
        File.Delete(place);
        Train(2, 3);
        Taken(server, 3, partition: 0);
        Taken(server, 3, partition: 1);
        Done(server, 3);
        Assert.Equal([3L], Folder.Steps);
    }

    [Fact]
    public void One_that_cannot_be_fetched_is_given_up_and_training_goes_on()
    {
        var server = Serving();
        Train(0, 2);
        _served!.Benches[1].Partition.ForgetSnapshot(2);
        Taken(server, 2, partition: 0);
        Taken(server, 2, partition: 1);
        Done(server, 2);
        Assert.Empty(Folder.Steps);
        Assert.Contains("the checkpoint of step 2 could not be fetched", Written(), StringComparison.Ordinal);
        Assert.Contains("version 2 of partition 1 is not put aside", Written(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_fails_says_where_it_can_go_on()
    {
        var server = Serving();
        Train(0, 2);
        Taken(server, 2, partition: 0);
        Taken(server, 2, partition: 1);
        Done(server, 2);
        Coordinator.Tell(new Partitions.Failed(Run, new StepId(3), "the loss is not finite."));
        Assert.Equal("the loss is not finite. The last checkpoint is of step 2.", Said<Ended>().Failure);
    }

    [Fact]
    public void A_stop_asks_for_a_last_checkpoint_and_ends_with_it()
    {
        var server = Serving();
        Train(0, 2);
        Coordinator.Tell(new Stop(Run));
        Assert.True(server.Probe.FishForMessage<Partitions.AskCheckpoint>(static _ => true, Patience).Last);
        Train(2, 4);
        Taken(server, 4, partition: 0);
        Taken(server, 4, partition: 1);
        var ended = Said<Ended>();
        Assert.StartsWith("stopped at step 4 of 10; model.safetensors holds the parameters of that step", ended.Failure, StringComparison.Ordinal);
        Assert.Contains("\"steps\": 4", ended.ResultJson, StringComparison.Ordinal);
        Assert.Equal([4L], Folder.Steps);
        var (tensors, _) = Engine.Models.SafeTensors.Read(File.ReadAllBytes(Path.Combine(RunDirectory, "model.safetensors")));
        Assert.Equal(Folder.Newest([])!.Parameters, tensors.SelectMany(static tensor => tensor.Values.ToArray()));
    }

    [Fact]
    public void A_stop_whose_checkpoint_cannot_be_written_keeps_what_was_trained()
    {
        var server = Serving();
        File.WriteAllText(Path.Combine(RunDirectory, "checkpoints"), "a file");
        Coordinator.Tell(new Stop(Run));
        Assert.True(server.Probe.FishForMessage<Partitions.AskCheckpoint>(static _ => true, Patience).Last);
        Train(0, 2);
        Taken(server, 2, partition: 0);
        Taken(server, 2, partition: 1);
        Assert.StartsWith("stopped at step 2 of 10", Said<Ended>().Failure, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(RunDirectory, "model.safetensors")));
    }

    [Fact]
    public void At_the_end_a_checkpoint_is_made_of_the_version_that_it_ends_with()
    {
        var server = Serving();
        Train(0, 10);
        Coordinator.Tell(new Partitions.Evaluated(Run, new StepId(10), new SetSums(0, 0, 0), new SetSums(0, 0, 0), [], new StepId(0), true));
        Assert.Equal([0, 1], Asked());

        // Sent again until it is answered.
        Settle();
        Advance(2.2);
        Assert.Equal([0, 1], Asked());
        Taken(server, 10, partition: 0);
        Taken(server, 10, partition: 1);
        var ended = Said<Ended>();
        Assert.True(ended.Succeeded, ended.Failure);
        Assert.Equal([10L], Folder.Steps);

        int[] Asked() => [.. Enumerable.Range(0, 2).Select(_ =>
        {
            var take = server.Probe.FishForMessage<Partitions.TakeSnapshot>(static _ => true, Patience);
            Assert.Equal(10, take.Version.Value);
            return take.Partition.Value;
        })];
    }

    private CheckpointFolder Folder => new(RunDirectory, keep: 3);

    /// <summary>A server with its partitions and a worker, in training.</summary>
    private Node Serving()
    {
        var server = Register("s0", server: true);
        _workers = [Register("w0", workers: 1)];
        Submit();
        Accepted();
        Prepare(_workers[0]);
        _served = new ServedPartitions(Plan());
        _served.Begin();
        Prepare(server, addresses: _served.Addresses);
        Assert.Equal([0, 1], server.Probe.ExpectMsg<Partitions.Host>().Partitions);
        Fenced(1, partition: 0);
        Fenced(1, partition: 1);
        _workers[0].Probe.ExpectMsg<Protocol.Workers.Assign>();
        return server;
    }

    private void Train(long from, long until)
    {
        _served!.Train(from, until);
        Coordinator.Tell(ServedPartitions.Told(Run, _served.Plan, from, until));
    }

    private void Taken(Node server, long version, int partition) =>
        Answer(server, new Partitions.SnapshotTaken(Run, new PartitionId(partition), new StepId(version), 0, partition == 0 ? Judged : null));

    private void Done(Node server, long version)
    {
        foreach (var partition in (int[])[0, 1])
        {
            var done = server.Probe.FishForMessage<Partitions.SnapshotDone>(static _ => true, Patience);
            Assert.Equal((partition, version), (done.Partition.Value, done.Version.Value));
        }

        Settle();
    }

    private string Written()
    {
        using var reader = new StreamReader(new FileStream(Path.Combine(RunDirectory, "log.txt"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd();
    }
}
