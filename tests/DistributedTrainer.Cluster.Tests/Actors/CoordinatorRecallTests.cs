using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>A coordinator that finds a run of the one before it.</summary>
public sealed class CoordinatorRecallTests : CoordinatorTest
{
    [Fact]
    public void It_ends_the_checkpoint_that_the_one_before_it_was_making()
    {
        Directory.CreateDirectory(RunDirectory);
        var run = new Nodes.Prepare(new RunId("2a"), 42, Experiment.Yaml, "", RunDirectory, EndCluster: false);
        var server = new Node("s0", CreateTestProbe("s0"), 1, 0);
        Answer(server, new Nodes.Register(new NodeId("s0"), ["server"], "127.0.0.1", 1, 0, run.Run));
        server.Probe.ExpectMsg<Nodes.Registered>();
        server.Probe.ExpectMsg<Nodes.Recall>();
        Answer(server, new Nodes.Recalled(run, new NodeId("s0"), new Generation(3), new Generation(1), [0]));
        Prepare(server);
        Prepare(Register("w0", workers: 1));

        // The lead partition begins no other before it hears of the end of the last.
        Assert.Equal(long.MaxValue, server.Probe.ExpectMsg<Partitions.SnapshotDone>().Version.Value);
        ExpectFence(server, 4);
    }
}
