using Akka.Actor;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>With error feedback a shard moves only together with what was put aside of it.</summary>
public sealed class CoordinatorResidualsTests : CoordinatorTest
{
    public CoordinatorResidualsTests() =>
        Experiment = Experiment with { Training = "{ epochs: 2, batch-size: 30, shards: 4, compression: { top-k: 0.1 } }" };

    [Fact]
    public void A_worker_that_is_lost_takes_all_back_to_the_last_checkpoint()
    {
        var (server, workers) = Training("w0", "w1");
        Coordinator.Tell(new Partitions.LinkLost(Run, workers[1].Worker, "closed"));
        ExpectFence(server, 2);
        Fenced(2, version: 3);
        Said<Notice>(static notice => notice.Text.StartsWith("Shards move, and what top-k has not sent yet", StringComparison.Ordinal));

        // There is none yet: from the beginning.
        var host = server.Probe.ExpectMsg<Partitions.Host>();
        Assert.Equal((3L, 0L), (host.Generation.Value, host.From.Value));
        Fenced(3);
        Assert.Equal(3, ExpectAssign(workers[0], 3, 0, 1, 2, 3).Loaded.Value);
    }

    [Fact]
    public void At_the_beginning_nothing_is_left_of_any_shard_and_they_move_freely()
    {
        var (server, workers) = Training("w0", "w1");
        Coordinator.Tell(new Partitions.LinkLost(Run, workers[1].Worker, "closed"));
        ExpectFence(server, 2);
        Fenced(2);
        ExpectAssign(workers[0], 2, 0, 1, 2, 3);
    }

    [Fact]
    public void A_worker_that_only_connects_anew_keeps_its_shards_and_what_is_left_of_them()
    {
        var (server, workers) = Training("w0", "w1");
        Answer(workers[0], new Protocol.Workers.LinkLost(Run, workers[0].Worker, new NodeId("s0"), "closed"));
        ExpectFence(server, 2);
        Fenced(2, version: 3);
        Assert.Equal((3L, 1L), (ExpectAssign(workers[0], 2, 0, 1).From.Value, ExpectAssign(workers[1], 2, 2, 3).Loaded.Value));
    }

    [Fact]
    public void For_a_worker_that_joins_a_checkpoint_is_made_first()
    {
        var (server, _) = Training("w0", "w1");
        var late = Register("w2", workers: 1);
        Prepare(late);
        Assert.False(server.Probe.ExpectMsg<Partitions.AskCheckpoint>().Last);
        Settle();
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
    }
}
