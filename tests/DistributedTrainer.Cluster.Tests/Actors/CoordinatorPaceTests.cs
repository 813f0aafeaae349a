using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>Slow and frozen workers.</summary>
public sealed class CoordinatorPaceTests : CoordinatorTest
{
    private readonly Dictionary<string, (long Steps, long Own, long Waiting)> _costs = [];
    private long _step;

    public CoordinatorPaceTests() => Experiment = new TestExperiment { Workers = 2, MinimumWorkers = 1, Training = "{ epochs: 100000, batch-size: 30, shards: 4 }" };

    [Fact]
    public void The_shards_of_a_slow_worker_move_and_it_is_tried_after_a_while()
    {
        var (server, workers) = Begun();
        Live(3, (workers[0], 2000), (workers[1], 20_000));
        ExpectFence(server, 2);
        Fenced(2, _step);
        ExpectAssign(workers[0], 2, 0, 1, 2, 3);
        ExpectAssign(workers[1], 2);
        Said<Notice>(static notice => notice.Text == "w1/0 computes 10.0 times slower than the others: its shards move.");

        Live(8, (workers[0], 4000), (workers[1], 0));
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
        Live(3, (workers[0], 4000), (workers[1], 0));
        ExpectFence(server, 3);
        Fenced(3, _step);
        ExpectAssign(workers[0], 3, 0, 1, 2);
        ExpectAssign(workers[1], 3, 3);

        Live(2, (workers[0], 3000), (workers[1], 1000));
        ExpectFence(server, 4);
        Fenced(4, _step);
        ExpectAssign(workers[0], 4, 0, 1);
        ExpectAssign(workers[1], 4, 2, 3);
        Said<Notice>(static notice => notice.Text == "w1/0 is fast again: it gets its share of the shards.");
    }

    [Fact]
    public void Shards_stay_with_a_slow_worker_where_they_are_to_be_placed_evenly_and_a_frozen_one_is_cut_off_all_the_same()
    {
        Experiment = Experiment with { Placement = "even" };
        var (server, workers) = Begun();
        Live(5, (workers[0], 2000), (workers[1], 20_000));
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
        Live(3, (workers[0], null));
        ExpectFence(server, 2);
        Said<Notice>(static notice => notice.Text.StartsWith("W1/0 is frozen ", StringComparison.Ordinal));
    }

    [Fact]
    public void Shards_of_a_worker_that_may_be_slow_move_for_a_trial_and_stay_where_steps_become_faster()
    {
        var (server, workers) = Begun();
        Live(5, (workers[0], 2000), (workers[1], 4000));
        ExpectFence(server, 2);
        Fenced(2, _step);
        ExpectAssign(workers[0], 2, 0, 1, 2);
        ExpectAssign(workers[1], 2, 3);
        Live(3, (workers[0], 3000), (workers[1], 2000));
        Said<Notice>(static notice => notice.Text.StartsWith("w1/0 is slow: with fewer shards for it there are 3", StringComparison.Ordinal));
    }

    [Fact]
    public void Shards_of_a_worker_that_may_be_slow_come_back_where_steps_do_not_become_faster()
    {
        var (server, workers) = Begun();
        Live(5, (workers[0], 2000), (workers[1], 4000));
        ExpectFence(server, 2);
        Fenced(2, _step);
        Live(3, (workers[0], 4000), (workers[1], 3500));
        ExpectFence(server, 3);
        Fenced(3, _step);
        ExpectAssign(workers[0], 2, 0, 1, 2);
        ExpectAssign(workers[0], 3, 0, 1);
        ExpectAssign(workers[1], 2, 3);
        ExpectAssign(workers[1], 3, 2, 3);
    }

    [Fact]
    public void A_worker_that_stays_slow_loses_the_shard_that_it_was_tried_with()
    {
        var (server, workers) = Begun();
        Live(3, (workers[0], 2000), (workers[1], 20_000));
        ExpectFence(server, 2);
        Fenced(2, _step);
        Live(12, (workers[0], 4000), (workers[1], 0));
        ExpectFence(server, 3);
        Fenced(3, _step);
        Live(1.5, (workers[0], 3000), (workers[1], 10_000));
        ExpectFence(server, 4);
        Fenced(4, _step);
        foreach (var (generation, shards) in new[] { (2, new[] { 0, 1, 2, 3 }), (3, [0, 1, 2]), (4, [0, 1, 2, 3]) })
        {
            ExpectAssign(workers[0], generation, shards);
            ExpectAssign(workers[1], generation, [.. Enumerable.Range(0, 4).Except(shards)]);
        }
    }

    [Fact]
    public void A_frozen_worker_is_cut_off_and_comes_back_when_it_is_heard_of()
    {
        var (server, workers) = Begun();
        Live(5, (workers[0], 2000), (workers[1], 2000));
        Live(3, (workers[0], null));
        ExpectFence(server, 2);
        Fenced(2, _step);

        // Meanwhile the assignment was sent again.
        ExpectAssign(workers[0], 1, 0, 1);
        ExpectAssign(workers[1], 1, 2, 3);
        ExpectAssign(workers[0], 2, 0, 1, 2, 3);
        workers[1].Probe.ExpectNoMsg(TimeSpan.Zero);
        Said<Notice>(static notice => notice.Text.StartsWith("W1/0 is frozen (not heard of for 2.", StringComparison.Ordinal) && notice.Text.EndsWith(": its shards move.", StringComparison.Ordinal));

        // It goes on: and has to show what it can do.
        Live(3, (workers[0], 4000), (workers[1], 0));
        Said<Notice>(static notice => notice.Text == "w1/0 is back.");
        ExpectFence(server, 3);
        Fenced(3, _step);
        ExpectAssign(workers[0], 3, 0, 1, 2, 3);
        ExpectAssign(workers[1], 3);
        Live(9, (workers[0], 4000), (workers[1], 0));
        ExpectFence(server, 4);
        Fenced(4, _step);
        ExpectAssign(workers[1], 4, 3);
    }

    [Fact]
    public void Alike_workers_are_left_alone_also_after_a_pause_of_the_coordinator()
    {
        var (server, workers) = Begun();
        Live(5, (workers[0], 2000), (workers[1], 2500));
        Advance(1.9);
        Settle();
        Live(5, (workers[0], 2000), (workers[1], 2500));
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
        Array.ForEach(workers, static worker => worker.Probe.ExpectNoMsg(TimeSpan.Zero));
    }

    private (Node Server, Node[] Workers) Begun()
    {
        var begun = Training("w0", "w1");

        // It comes with every step.
        begun.Server.Probe.IgnoreMessages(static message => message is Partitions.StepsKept);
        return begun;
    }

    /// <summary>
    /// Lets time pass with statuses and steps; each worker's own part of a step is given in microseconds. Null: it waits for
    /// one that is not there, and nothing is applied.
    /// </summary>
    private void Live(double seconds, params (Node Worker, long? Own)[] workers)
    {
        var step = workers.Max(static worker => worker.Own);
        for (var tick = 1; tick <= seconds * 10; tick++)
        {
            Advance(0.1);
            Settle();
            var steps = 100_000 / step ?? 0;
            if (steps > 0)
            {
                Coordinator.Tell(new Partitions.StepsApplied(
                    Run, new StepId(_step), new double[steps], [.. Enumerable.Repeat(30, (int)steps)], new double[steps], new long[steps], [], 0), Akka.Actor.ActorRefs.NoSender);
                _step += steps;
            }

            foreach (var (worker, own) in workers)
            {
                var (done, spent, waited) = _costs.GetValueOrDefault(worker.Name);
                var more = own is > 0 ? steps : 0;
                _costs[worker.Name] = (done + more, spent + (more * (own ?? 0)), waited + (more * ((step ?? 0) - (own ?? 0))));
                if (tick % 5 == 0)
                {
                    var costs = new StepCosts(_costs[worker.Name].Steps, _costs[worker.Name].Own, 0, _costs[worker.Name].Waiting, 0, 0, 0);
                    Answer(worker, new Protocol.Workers.Status(Run, worker.Worker, new StepId(_step), 30 * _step, "training", costs));
                }
            }

            Settle();
        }
    }
}
