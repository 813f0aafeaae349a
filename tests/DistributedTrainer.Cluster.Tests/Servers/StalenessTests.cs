using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Tests.Servers;

/// <summary>How far workers are apart, in a time that the test keeps: each computes and sends as long as chance says.</summary>
public sealed class StalenessTests
{
    private static TrainingPlan Plan(string training, string split = "none") =>
        new TestExperiment { Layers = ["linear: 3"], Training = $"{{ {training}, batch-size: 37, shards: 6 }}", Split = split }.Plan();

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 2)]
    [InlineData(3, 3)]
    [InlineData(3, 4)]
    [InlineData(8, 5)]
    public void Nobody_is_further_ahead_of_the_slowest_than_the_bound(int staleness, int seed)
    {
        var course = new Course(Plan($"steps: 60, mode: stale, staleness: {staleness}"), seed, slow: 12);
        course.Run();
        Assert.All(course.Begun, begun => Assert.InRange(begun.Step - begun.Slowest, 0, staleness));
        Assert.Equal(60, course.Bench.Partition.Version);

        // The bound is used, not only kept.
        Assert.Contains(course.Begun, begun => begun.Step - begun.Slowest == staleness);
    }

    [Fact]
    public void In_async_nothing_but_the_end_of_an_epoch_holds_anybody()
    {
        var plan = Plan("epochs: 3, mode: async", "{ validation: 0.1, test: 0.1 }");
        var course = new Course(plan, 7, slow: 50);
        course.Run();
        Assert.Equal([4L, 8, 12], Enumerable.Range(1, 12).Where(step => plan.EvaluatesAt(step)).Select(static step => (long)step));
        Assert.Contains(course.Begun, static begun => begun.Step - begun.Slowest == 3);

        // What is evaluated, all have alike.
        Assert.All(course.Begun.Where(begun => plan.EvaluatesAt(begun.Step)), static begun => Assert.Equal(begun.Step, begun.Slowest));
    }

    [Fact]
    public void A_checkpoint_is_of_whole_steps_and_nobody_is_beyond_it()
    {
        var plan = Plan("steps: 40, mode: async");
        var schedule = new CheckpointSchedule(new Experiments.CheckpointOptions { EverySteps = 10, EverySeconds = null }, 40, TimeProvider.System);
        var course = new Course(plan, 9, slow: 50, schedule);
        course.Run();
        Assert.Equal([10L, 20, 30], course.Bench.Events.Snapshots);
        Assert.All(course.Begun.Where(static begun => begun.Step % 10 == 0), static begun => Assert.Equal(begun.Step, begun.Slowest));
    }

    /// <summary>
    /// Two partitions before an evaluation, each of which lacks the leaf of another worker: if both kept the workers whose
    /// leaves they have until the others are there, both would wait for ever.
    /// </summary>
    [Fact]
    public void Whoever_must_not_go_on_here_may_still_compute_what_another_partition_lacks()
    {
        var plan = Plan("epochs: 2, mode: async", "{ validation: 0.1, test: 0.1 }");
        Assert.True(plan.EvaluatesAt(4));
        var (one, other) = (Before(4, lacks: 0), Before(4, lacks: 2));
        Assert.Equal(3, one.Entry([2, 3], step: 3, one.NextOf([2, 3])));
        Assert.Equal(3, other.Entry([2, 3], step: 3, other.NextOf([2, 3])));
        Assert.Equal(3, one.Entry([0, 1], step: 3, one.NextOf([0, 1])));
        Assert.Equal(3, other.Entry([0, 1], step: 3, other.NextOf([0, 1])));
        Assert.True(one.AreApart([0, 1], 3));
        Assert.False(one.AreApart([2, 3], 3));

        // Who has pushed it waits, and goes on when the last has come.
        Assert.Null(one.Entry([2, 3], step: 4, one.NextOf([2, 3])));
        one.Advance(new TreeNode(0, 0), 3, 0, 1, leftOut: false);
        Assert.Equal(4, one.Entry([2, 3], step: 4, one.NextOf([2, 3])));
        Assert.Equal(4, one.Entry([0, 1], step: 3, one.NextOf([0, 1])));

        LooseSteps Before(long version, int lacks)
        {
            var steps = new LooseSteps(plan, UpdatePolicy.Of(plan.Experiment.Training), version - 1);
            foreach (var shard in Enumerable.Range(0, 6).Where(shard => shard != lacks))
            {
                steps.Advance(new TreeNode(0, shard), version - 1, 0, 1, leftOut: false);
            }

            return steps;
        }
    }

    [Fact]
    public void Nobody_is_told_to_go_past_a_step_for_which_a_checkpoint_is_asked()
    {
        var plan = Plan("steps: 40, mode: async");
        var steps = new LooseSteps(plan, UpdatePolicy.Of(plan.Experiment.Training), 10);
        steps.Note(10, CheckpointAsk.Snapshot);
        steps.Advance(new TreeNode(1, 1), 10, 0, 1, leftOut: false);
        steps.Advance(new TreeNode(1, 2), 10, 0, 1, leftOut: false);
        steps.Advance(new TreeNode(1, 0), 10, 0, 1, leftOut: false);

        // It is whole here, and perhaps not elsewhere: what is asked for has to get there with its pushes.
        Assert.Equal(10, steps.Entry([2, 3], step: 10, steps.NextOf([2, 3])));
        Assert.Equal(11, steps.Entry([2, 3], step: 11, steps.NextOf([2, 3])));
    }

    /// <summary>Whoever is at a version that was sent under the number of an older one asks with its own number whether somebody is there.</summary>
    [Fact]
    public void Who_asks_for_a_sign_of_life_is_sent_no_version()
    {
        var bench = new PartitionBench(Plan("steps: 40, mode: async"));
        var who = LooseMember.Introduction([0, 1, 2, 3, 4, 5], 6, "w");
        var (first, second) = (new RecordingChannel(), new RecordingChannel());
        bench.Partition.Join(first, new FrameHeader { Kind = FrameKind.Pull, Generation = 1, Step = 0 }, who);
        bench.PushAll(0);
        bench.PushAll(1);
        bench.Partition.Fence(2);
        bench.Partition.Join(second, new FrameHeader { Kind = FrameKind.Pull, Generation = 2, Step = 0 }, who);
        Assert.Equal((FrameKind.Parameters, 0, 2), (second.Last.Header.Kind, second.Last.Header.Step, second.Last.Header.Index));
        var question = new FrameHeader { Kind = FrameKind.Request, Flags = RequestFlags.Question, Generation = 2, Step = 2, Count = RequestFlags.SignOfLife };
        bench.Partition.Ask(second, question);
        Assert.Equal([FrameKind.Parameters, FrameKind.Reply], second.Posted.Select(static one => one.Header.Kind));

        // Another partition may have lacked the leaf of step 1: then it is computed, and step 2 is wanted indeed.
        bench.Partition.Ask(second, question with { Count = 1 });
        Assert.Equal([FrameKind.Parameters, FrameKind.Reply, FrameKind.Parameters, FrameKind.Reply], second.Posted.Select(static one => one.Header.Kind));
    }

    /// <summary>Three workers with two shards each and one partition.</summary>
    private sealed class Course
    {
        private readonly Random _random;
        private readonly int _slow;
        private readonly PriorityQueue<(int Worker, long Step, CheckpointAsk Ask), (double Time, int Number)> _pushes = new();
        private readonly Member[] _members;
        private double _now;
        private int _number;

        public Course(TrainingPlan plan, int seed, int slow = 6, CheckpointSchedule? schedule = null)
        {
            (Bench, _random, _slow) = (new PartitionBench(plan, checkpoints: schedule), new Random(seed), slow);
            _members = [.. Enumerable.Range(0, 3).Select(_ => new Member(new RecordingChannel()))];
        }

        public PartitionBench Bench { get; }

        /// <summary>Steps that a worker was let begin, and the slowest then.</summary>
        public List<(long Step, long Slowest)> Begun { get; } = [];

        public void Run()
        {
            for (var w = 0; w < 3; w++)
            {
                var who = LooseMember.Introduction([2 * w, (2 * w) + 1], 6, $"w{w}");
                Bench.Partition.Join(_members[w].Channel, new FrameHeader { Kind = FrameKind.Pull, Generation = 1, Step = 0 }, who);
            }

            Look();
            while (_pushes.TryDequeue(out var push, out var due))
            {
                _now = due.Time;
                Assert.Null(Bench.Push(push.Step, new TreeNode(1, push.Worker), ask: push.Ask));
                Bench.Partition.WantNext(_members[push.Worker].Channel, Bench.Header(push.Step, new TreeNode(1, push.Worker)));
                if (Bench.Events.Snapshots.Count > 0)
                {
                    Bench.Partition.ForgetSnapshot(Bench.Events.Snapshots[^1]);
                }

                Look();
            }
        }

        // Whoever was sent something begins its next step.
        private void Look()
        {
            for (var w = 0; w < 3; w++)
            {
                foreach (var (header, _) in _members[w].Channel.Posted.Skip(_members[w].Seen))
                {
                    _members[w].Seen++;
                    var step = header.Step + header.Index;
                    Begun.Add((step, Bench.Partition.Version));
                    if (step < Bench.Plan.TotalSteps)
                    {
                        _pushes.Enqueue((w, step, ParameterFlags.AskIn(header.Flags)), (_now + (_random.NextDouble() * (w == 0 ? _slow : 1)), _number++));
                    }
                }
            }
        }

        private sealed class Member(RecordingChannel channel)
        {
            public RecordingChannel Channel => channel;

            public int Seen { get; set; }
        }
    }
}
