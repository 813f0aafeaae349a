using Akka.Actor;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>What a coordinator does with steps that are not finite.</summary>
public sealed class CoordinatorNonFiniteTests : CoordinatorTest
{
    [Fact]
    public void The_version_before_it_becomes_the_last_checkpoint()
    {
        var (server, _) = Training("w0", "w1");
        Coordinator.Tell(new Partitions.StepsApplied(Run, new StepId(0), [1, 1, 1], [30, 30, 30], [0.1, 0.1, 0.1], [1, 2, 3], [], 0));
        Found(3, "w1/0", "the loss is NaN");
        Coordinator.Tell(new Partitions.NotFinite(Run, new StepId(3)));
        Settle();
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
        Advance(0.2);
        Settle();
        server.Probe.ExpectMsg<Partitions.StepsKept>();
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
        Advance(0.4);
        Assert.Equal(3, server.Probe.FishForMessage<Partitions.TakeSnapshot>(static _ => true, Patience).Version.Value);

        // Told again, as it is now and then: the end goes its way.
        Coordinator.Tell(new Partitions.NotFinite(Run, new StepId(3)));
        Advance(1);
        Settle();
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void In_the_first_step_the_run_fails_with_its_cause()
    {
        Training("w0", "w1");
        Found(0, "w1/0", "the input is NaN");
        Coordinator.Tell(new Partitions.NotFinite(Run, new StepId(0)));
        Settle();
        Advance(0.6);
        var ended = Said<Ended>();
        Assert.False(ended.Succeeded);
        Assert.StartsWith("step 1 is not finite: in shard 2, computed by w1/0, the input is NaN. Nothing of it was applied. Lower optimizer.learning-rate", ended.Failure, StringComparison.Ordinal);
        Assert.Null(ended.ResultJson);
    }

    [Fact]
    public void Where_no_worker_says_anything_the_run_ends_all_the_same()
    {
        Training("w0", "w1");
        Coordinator.Tell(new Partitions.NotFinite(Run, new StepId(0)));
        Settle();
        Advance(1);
        Settle();
        Submitter.FishForMessage<View>(static _ => true, Patience);
        Advance(1.4);
        Assert.StartsWith("step 1 is not finite: its loss or gradient is not finite.", Said<Ended>().Failure, StringComparison.Ordinal);
    }

    [Fact]
    public void A_step_that_was_left_out_is_told_once()
    {
        Training("w0", "w1");
        Found(1, "w1/0", "the loss is NaN");
        var applied = new Partitions.StepsApplied(Run, new StepId(0), [1, double.NaN], [30, 30], [0.1, 0.1], [1, 2], [1], 0);
        Coordinator.Tell(applied);
        Coordinator.Tell(applied);
        Settle();
        Advance(0.6);
        Said<Notice>(static notice => notice.Text == "Step 2 was skipped: in shard 2, computed by w1/0, the loss is NaN.");
        Advance(3);
        Settle();
        Coordinator.Tell(new Partitions.Failed(Run, new StepId(3), "enough"));
        var after = new List<object>();
        Submitter.FishForMessage(
            message =>
            {
                after.Add(message);
                return message is Ended;
            },
            Patience);
        Assert.DoesNotContain(after.OfType<Notice>(), static notice => notice.Text.Contains("skipped", StringComparison.Ordinal));
    }

    private void Found(long step, string worker, string where) =>
        Coordinator.Tell(new Protocol.Workers.NotFinite(Run, new WorkerId(worker), new StepId(step), 2, 7, where));
}
