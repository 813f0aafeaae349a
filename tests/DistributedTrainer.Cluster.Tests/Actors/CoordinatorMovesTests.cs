using Akka.Actor;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;
using static DistributedTrainer.Protocol.Submissions;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>Rows are fetched before shards move, where nothing forces the move.</summary>
public sealed class CoordinatorMovesTests : CoordinatorTest
{
    public CoordinatorMovesTests() => Experiment = Experiment with { Training = "{ epochs: 100000, batch-size: 30, shards: 4 }" };

    [Fact]
    public void A_worker_that_joins_without_the_file_fetches_its_rows_before_a_generation_begins()
    {
        var (server, workers) = Begun("w0");
        var late = Joined("w1");
        Asked(late, 2, 3);
        Said<Notice>(static notice => notice.Text == "w1/0 fetches the rows of shards 2 3 first; the others train on meanwhile.");
        Steps(0, 7);
        Nothing(server, late, workers[0]);

        Brought(late, 2);
        Nothing(server, late, workers[0]);
        Brought(late, 3);
        ExpectFence(server, 2);
        Fenced(2, 7);
        ExpectAssign(workers[0], 2, 0, 1);
        ExpectAssign(late, 2, 2, 3);
    }

    [Fact]
    public void A_worker_that_has_the_file_is_not_asked()
    {
        var (server, workers) = Begun("w0");
        var late = Register("w1", workers: 1);
        Prepare(late);
        ExpectFence(server, 2);
        Fenced(2);
        ExpectAssign(workers[0], 2, 0, 1);
        ExpectAssign(late, 2, 2, 3);
    }

    [Fact]
    public void Who_does_not_answer_is_asked_again_and_gets_no_assignment_meanwhile()
    {
        var (server, workers) = Begun("w0");
        var late = Joined("w1");
        Asked(late, 2, 3);
        Pass(2.2);
        Asked(late, 2, 3);

        // The run stands still, and assignments are told again: to those who have one.
        ExpectAssign(workers[0], 1, 0, 1, 2, 3);
        Nothing(server, late);
        Brought(late, 3, 2);
        ExpectFence(server, 2);
    }

    [Fact]
    public void A_worker_that_dies_lets_nobody_wait_for_what_was_to_be_fetched()
    {
        var (server, workers) = Begun("w0", "w1");
        var late = Joined("w2");
        var proposed = late.Probe.ExpectMsg<Protocol.Workers.Bring>().Shards;
        Assert.Single(proposed);
        Die(workers[1]);
        ExpectFence(server, 2);
        Fenced(2);
        Assert.Equal([0, 1, 2, 3], workers[0].Probe.ExpectMsg<Protocol.Workers.Assign>().Shards.Concat(late.Probe.ExpectMsg<Protocol.Workers.Assign>().Shards).Order());

        // That the rows are there says nothing new.
        Brought(late, proposed);
        Pass(1);
        Nothing(server, late, workers[0]);
    }

    [Fact]
    public void A_worker_that_dies_while_it_fetches_leaves_everything_as_it_was()
    {
        var (server, workers) = Begun("w0");
        var late = Joined("w1");
        Asked(late, 2, 3);
        Die(late);
        Pass(0.4);
        Nothing(server, workers[0]);

        // The next one is asked like the first.
        var next = Joined("w2");
        Asked(next, 2, 3);
        Brought(next, 2, 3);
        ExpectFence(server, 2);
    }

    [Fact]
    public void Of_two_that_join_the_one_that_is_left_gets_what_it_would_have_got_alone()
    {
        var (server, workers) = Begun("w0");
        var first = Joined("w1");
        Asked(first, 2, 3);
        var second = Joined("w2");
        var (some, others) = (first.Probe.ExpectMsg<Protocol.Workers.Bring>().Shards, second.Probe.ExpectMsg<Protocol.Workers.Bring>().Shards);
        Assert.Equal((3, 3), (some.Length + others.Length + 1, some.Union(others).Count() + 1));
        Brought(first, some);
        Nothing(server);
        Die(second);
        Pass(0.4);
        Asked(first, 2, 3);
        Brought(first, 2, 3);
        ExpectFence(server, 2);
        Fenced(2);
        ExpectAssign(workers[0], 2, 0, 1);
        ExpectAssign(first, 2, 2, 3);
    }

    [Fact]
    public void After_ten_minutes_shards_move_all_the_same()
    {
        var (server, _) = Begun("w0");
        server.Probe.IgnoreMessages(static message => message is Partitions.StepsKept);
        var late = Joined("w1");
        Asked(late, 2, 3);
        late.Probe.IgnoreMessages(static message => message is Protocol.Workers.Bring);
        var step = 0;
        while (step < 59)
        {
            Pass(10);
            Steps(step, ++step);
        }

        Pass(9.5);
        Nothing(server, late);
        Pass(1);
        ExpectFence(server, 2);
        Fenced(2, step);
        ExpectAssign(late, 2, 2, 3);
        Said<Notice>(static notice => notice.Text.StartsWith("The rows of shards that are to move have not all come in 10 minutes", StringComparison.Ordinal));
    }

    [Fact]
    public void A_second_proposal_does_not_begin_the_time_anew()
    {
        var (server, _) = Begun("w0");
        server.Probe.IgnoreMessages(static message => message is Partitions.StepsKept);
        Joined("w1").Probe.ExpectMsg<Protocol.Workers.Bring>();
        Pass(599);
        Joined("w2").Probe.ExpectMsg<Protocol.Workers.Bring>();
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
        Pass(2);
        ExpectFence(server, 2);
    }

    [Fact]
    public void Who_cannot_have_its_rows_is_left_out_and_the_run_goes_on()
    {
        var (server, workers) = Begun("w0");
        var late = Joined("w1");
        Asked(late, 2, 3);
        Answer(late, new Protocol.Workers.Brought(Run, late.Worker, [2, 3], "no memory"));
        Said<Notice>(static notice => notice.Text == "Not used: w1/0 cannot have the rows of shards 2 3: no memory");

        // It still reports.
        Pass(2);
        Answer(late, new Protocol.Workers.Status(Run, late.Worker, new StepId(0), 0, "standby", new StepCosts(0, 0, 0, 0, 0, 0, 0)));
        Pass(0.4);
        Nothing(server, late);
        Said<View>(static view => view.Nodes.Any(static node => node is { Node: "w1/0", State: "unfit" }));
        ExpectAssign(workers[0], 1, 0, 1, 2, 3);
    }

    [Fact]
    public void Who_computes_and_cannot_have_more_rows_loses_its_shards_too()
    {
        var (server, workers) = Begun("w0", "w1");
        Coordinator.Tell(new Partitions.LinkLost(Run, workers[1].Worker, "closed"));
        ExpectFence(server, 2);
        Fenced(2);
        ExpectAssign(workers[0], 2, 0, 1, 2, 3);
        Pass(2);
        Answer(workers[1], new Protocol.Workers.Status(Run, workers[1].Worker, new StepId(0), 0, "standby", new StepCosts(0, 0, 0, 0, 0, 0, 0)));
        Asked(workers[1], 2, 3);
        Answer(workers[0], new Protocol.Workers.Brought(Run, workers[0].Worker, [1], "no memory"));
        ExpectFence(server, 3);
        Fenced(3);
        ExpectAssign(workers[1], 3, 0, 1, 2, 3);
    }

    [Fact]
    public void A_worker_that_is_back_brings_what_it_lacks_first()
    {
        var (server, workers) = Begun("w0", "w1");
        Coordinator.Tell(new Partitions.LinkLost(Run, workers[1].Worker, "closed"));
        ExpectFence(server, 2);
        Fenced(2);
        ExpectAssign(workers[0], 2, 0, 1, 2, 3);
        Pass(1.2);
        Answer(workers[1], new Protocol.Workers.Status(Run, workers[1].Worker, new StepId(0), 0, "standby", new StepCosts(0, 0, 0, 0, 0, 0, 0)));
        Asked(workers[1], 2, 3);
        server.Probe.ExpectNoMsg(TimeSpan.Zero);
        Brought(workers[1], 2, 3);
        ExpectFence(server, 3);
    }

    [Fact]
    public void Where_a_checkpoint_comes_before_a_move_the_rows_come_before_the_checkpoint()
    {
        Experiment = Experiment with { Training = "{ epochs: 100000, batch-size: 30, shards: 4, compression: { top-k: 0.1 } }" };
        var (server, _) = Begun("w0");
        var late = Joined("w1");
        Asked(late, 2, 3);
        Nothing(server);
        Brought(late, 2, 3);
        Assert.False(server.Probe.ExpectMsg<Partitions.AskCheckpoint>().Last);
    }

    [Fact]
    public void The_shards_of_a_slow_worker_move_when_their_rows_are_there()
    {
        var (server, workers) = Begun("w0", "w1");
        server.Probe.IgnoreMessages(static message => message is Partitions.StepsKept);
        var pace = new Paced(this, workers);
        pace.Live(3, 2000, 20_000);
        Asked(workers[0], 2, 3);
        Said<Notice>(static notice => notice.Text == "w1/0 computes 10.0 times slower than the others: its shards move.");

        // It is as slow as before, which is known.
        workers[0].Probe.IgnoreMessages(static message => message is Protocol.Workers.Bring);
        pace.Live(20, 2000, 20_000);
        Nothing(server, workers[0], workers[1]);
        Brought(workers[0], 2, 3);
        ExpectFence(server, 2);
        Fenced(2, pace.Step);
        ExpectAssign(workers[0], 2, 0, 1, 2, 3);
        ExpectAssign(workers[1], 2);
    }

    [Fact]
    public void A_chance_for_a_slow_worker_is_judged_by_the_shard_that_it_gets_with_it()
    {
        var (server, workers) = Begun("w0", "w1");
        server.Probe.IgnoreMessages(static message => message is Partitions.StepsKept);
        var pace = new Paced(this, workers);
        pace.Live(3, 2000, 20_000);
        Brought(workers[0], 2, 3);
        ExpectFence(server, 2);
        Fenced(2, pace.Step);
        ExpectAssign(workers[1], 2);
        pace.Live(11, 4000, 0);
        Asked(workers[1], 3);
        Nothing(server);
        Brought(workers[1], 3);
        ExpectFence(server, 3);
        Fenced(3, pace.Step);
        Assert.Equal([3], workers[1].Probe.FishForMessage<Protocol.Workers.Assign>(static assign => assign.Generation.Value == 3, Patience).Shards);
        pace.Live(2, 3000, 1000);
        Asked(workers[1], 2);
        Said<Notice>(static notice => notice.Text == "w1/0 is fast again: it gets its share of the shards.");
    }

    [Fact]
    public void A_worker_that_freezes_while_another_one_fetches_is_found()
    {
        var (server, workers) = Begun("w0", "w1");
        server.Probe.IgnoreMessages(static message => message is Partitions.StepsKept);
        var pace = new Paced(this, workers);
        pace.Live(3, 2000, 2000);
        Joined("w2").Probe.ExpectMsg<Protocol.Workers.Bring>();
        pace.Live(3, 2000, null);
        ExpectFence(server, 2);
        Said<Notice>(static notice => notice.Text.StartsWith("W1/0 is frozen ", StringComparison.Ordinal));
    }

    [Fact]
    public void Where_work_is_to_move_for_speed_a_worker_that_freezes_ends_the_waiting()
    {
        var (server, workers) = Begun("w0", "w1");
        server.Probe.IgnoreMessages(static message => message is Partitions.StepsKept);
        var pace = new Paced(this, workers);
        pace.Live(3, 2000, 20_000);
        Asked(workers[0], 2, 3);
        pace.Live(3, 2000, null);
        ExpectFence(server, 2);
    }

    /// <summary>A run of workers that fetch their rows, in generation 1.</summary>
    private (Node Server, Node[] Workers) Begun(params string[] workers)
    {
        Experiment = Experiment with { Workers = workers.Length };
        return Training(fetch: true, workers);
    }

    private Node Joined(string name)
    {
        var node = Register(name, workers: 1);
        Prepare(node, fetches: true);
        return node;
    }

    private static void Asked(Node node, params int[] shards)
    {
        var bring = node.Probe.ExpectMsg<Protocol.Workers.Bring>();
        Assert.Equal((node.Worker.Value, string.Join(' ', shards)), (bring.Worker.Value, string.Join(' ', bring.Shards)));
    }

    private void Brought(Node node, params int[] shards) => Answer(node, new Protocol.Workers.Brought(Run, node.Worker, shards, null));

    private void Steps(long from, long to) => Coordinator.Tell(ServedPartitions.Told(Run, Plan(), from, to), ActorRefs.NoSender);

    private void Pass(double seconds)
    {
        Settle();
        Advance(seconds);
        Settle();
    }

    private void Nothing(params Node[] nodes)
    {
        Settle();
        Array.ForEach(nodes, static node => node.Probe.ExpectNoMsg(TimeSpan.Zero));
    }

    /// <summary>Two workers with a pace each, which report as real ones do.</summary>
    private sealed class Paced(CoordinatorMovesTests test, Node[] workers)
    {
        private readonly (long Steps, long Own, long Waiting)[] _costs = new (long, long, long)[workers.Length];

        public long Step { get; private set; }

        /// <summary>Lets time pass.</summary>
        /// <param name="seconds">How much.</param>
        /// <param name="own">Microseconds of a step that are each worker's own; null: it says nothing, and no step is made.</param>
        public void Live(double seconds, params long?[] own)
        {
            for (var tick = 1; tick <= seconds * 10; tick++)
            {
                test.Pass(0.1);
                var slowest = own.Max()!.Value;
                var steps = own.Contains(null) ? 0 : 100_000 / slowest;
                if (steps > 0)
                {
                    test.Steps(Step, Step += steps);
                }

                for (var i = 0; i < workers.Length; i++)
                {
                    var mine = own[i] ?? 0;
                    var done = mine > 0 ? steps : 0;
                    _costs[i] = (_costs[i].Steps + done, _costs[i].Own + (done * mine), _costs[i].Waiting + (done * (slowest - mine)));
                    if (own[i] is not null && tick % 5 == 0)
                    {
                        var costs = new StepCosts(_costs[i].Steps, _costs[i].Own, 0, _costs[i].Waiting, 0, 0, 0);
                        test.Answer(workers[i], new Protocol.Workers.Status(test.Run, workers[i].Worker, new StepId(Step), 30 * Step, "training", costs));
                    }
                }
            }

            test.Settle();
        }
    }
}
