using CsCheck;
using DistributedTrainer.Cluster.Coordination.Pacing;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Coordination.Pacing;

/// <summary>Work follows speed.</summary>
public sealed class UnequalWorkersTests
{
    [Fact]
    public void A_slow_worker_has_fewer_shards()
    {
        var assignment = new ShardAssignment(16);
        assignment.Rebalance(Workers(4));
        Assert.True(assignment.Rebalance(Workers(4), Pace((1, 4))));
        Assert.Equal([5, 1, 5, 5], Workers(4).Select(worker => assignment.ShardsOf(worker).Length));
    }

    [Theory]
    [InlineData(10, "4 1", "8 2")]
    [InlineData(5, "4 1", "4 1")]
    [InlineData(8, "1 1 2", "2 2 4")]
    [InlineData(12, "8 4", "8 4")]
    [InlineData(9, "2 2 2", "3 3 3")]
    [InlineData(2, "8 1", "2 0")]
    public void A_worker_with_several_threads_has_as_many_times_the_shards(int shards, string threads, string expected)
    {
        var counts = threads.Split(' ').Select(int.Parse).ToArray();
        var workers = Workers(counts.Length);
        var assignment = new ShardAssignment(shards, worker => counts[Array.IndexOf(workers, worker)]);
        assignment.Rebalance(workers);
        Assert.Equal(expected, string.Join(' ', workers.Select(worker => assignment.ShardsOf(worker).Length)));
        Assert.False(assignment.WouldMove(workers, Pace()));
        Assert.All(workers.Select(assignment.ShardsOf), static own => Assert.Equal(own.Length == 0 ? [] : Enumerable.Range(own[0], own.Length), own));
    }

    [Fact]
    public void A_node_of_many_threads_that_joins_takes_most_of_the_shards()
    {
        var assignment = new ShardAssignment(10, static worker => worker == Worker(1) ? 4 : 1);
        assignment.Rebalance(Workers(1));
        Assert.True(assignment.Rebalance(Workers(2)));
        Assert.Equal([2, 8], Workers(2).Select(worker => assignment.ShardsOf(worker).Length));
    }

    [Fact]
    public void A_very_slow_worker_has_none()
    {
        var assignment = new ShardAssignment(4);
        assignment.Rebalance(Workers(2));
        Assert.True(assignment.Rebalance(Workers(2), Pace((0, 9.8))));
        Assert.Equal([0, 1, 2, 3], assignment.ShardsOf(Worker(1)));
    }

    [Fact]
    public void A_worker_that_never_gets_done_has_none_even_where_the_others_have_to_do_more()
    {
        var assignment = new ShardAssignment(2);
        assignment.Rebalance(Workers(3), Pace((0, double.PositiveInfinity), (1, 50)));
        Assert.Equal([0, 0, 2], Workers(3).Select(worker => assignment.ShardsOf(worker).Length));
    }

    [Fact]
    public void Where_nobody_ever_gets_done_all_are_alike()
    {
        var assignment = new ShardAssignment(4);
        assignment.Rebalance(Workers(2), Pace((0, double.PositiveInfinity), (1, double.PositiveInfinity)));
        Assert.Equal([[0, 1], [2, 3]], Workers(2).Select(assignment.ShardsOf));
    }

    [Fact]
    public void At_first_each_worker_gets_neighbouring_shards()
    {
        var assignment = new ShardAssignment(9);
        assignment.Rebalance(Workers(3), Pace((1, 2.5)));
        Assert.Equal([[0, 1, 2, 3], [4], [5, 6, 7, 8]], Workers(3).Select(assignment.ShardsOf));
    }

    [Fact]
    public void What_moves_lies_beside_what_its_new_owner_has_where_that_is_possible()
    {
        var assignment = new ShardAssignment(16);
        assignment.Rebalance(Workers(4));
        assignment.Rebalance(Workers(4), Pace((0, 20)));
        Assert.Equal([[], [2, 3, 4, 5, 6, 7], [1, 8, 9, 10, 11], [0, 12, 13, 14, 15]], Workers(4).Select(assignment.ShardsOf));
    }

    [Fact]
    public void A_worker_that_is_fast_again_gets_back_what_it_had()
    {
        var assignment = new ShardAssignment(8);
        assignment.Rebalance(Workers(2));
        assignment.Rebalance(Workers(2), Pace((1, 10)));
        assignment.Rebalance(Workers(2), Pace((1, 10)), tried: Worker(1));
        Assert.Equal([7], assignment.ShardsOf(Worker(1)));
        assignment.Rebalance(Workers(2));
        Assert.Equal([[0, 1, 2, 3], [4, 5, 6, 7]], Workers(2).Select(assignment.ShardsOf));
    }

    [Fact]
    public void A_small_gain_moves_nothing()
    {
        var assignment = new ShardAssignment(12);
        assignment.Rebalance(Workers(3));

        // 4 shards each: 4.6 for the slow one. The least would be 5 shards of the others, or 3.45 and 4 and 5.
        Assert.False(assignment.WouldMove(Workers(3), Pace((0, 1.15))));
        Assert.False(assignment.Rebalance(Workers(3), Pace((0, 1.15))));
        Assert.True(assignment.WouldMove(Workers(3), Pace((0, 3))));
    }

    [Fact]
    public void Asking_changes_nothing()
    {
        var assignment = new ShardAssignment(12);
        assignment.Rebalance(Workers(3));
        Assert.True(assignment.WouldMove(Workers(3), Pace((0, 5))));
        Assert.Equal([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]], Workers(3).Select(assignment.ShardsOf));
    }

    [Fact]
    public void A_tried_worker_has_exactly_one_shard_and_keeps_one_that_it_has()
    {
        var assignment = new ShardAssignment(6);
        assignment.Rebalance(Workers(3));
        assignment.Rebalance(Workers(3), Pace((1, double.PositiveInfinity)), tried: Worker(1));
        Assert.Equal([2], assignment.ShardsOf(Worker(1)));
        Assert.False(assignment.Rebalance(Workers(3), Pace((1, 7)), tried: Worker(1)));

        // One that is gone is not tried.
        Assert.True(assignment.Rebalance([Worker(0), Worker(2)], Pace((1, 7)), tried: Worker(1)));
        Assert.Empty(assignment.ShardsOf(Worker(1)));
    }

    [Fact]
    public void The_only_shard_can_be_tried_elsewhere()
    {
        var assignment = new ShardAssignment(1);
        assignment.Rebalance(Workers(2), Pace((0, 9)));
        Assert.Equal([0], assignment.ShardsOf(Worker(1)));
        Assert.True(assignment.Rebalance(Workers(2), Pace((0, 9)), tried: Worker(0)));
        Assert.Equal([0], assignment.ShardsOf(Worker(0)));
    }

    [Fact]
    public void Every_shard_has_one_owner_and_the_makespan_is_nearly_the_least()
    {
        Courses.SampleSeeded(
            (shards, course) =>
            {
                var assignment = new ShardAssignment(shards);
                foreach (var times in course)
                {
                    var before = Workers(times.Length).Sum(worker => assignment.ShardsOf(worker).Length);
                    assignment.Rebalance(Workers(times.Length), Paces(times));
                    Assert.Equal(Enumerable.Range(0, shards), Workers(times.Length).SelectMany(assignment.ShardsOf).Order());
                    var (makespan, least) = (Makespan(assignment, times), Least(shards, times));

                    // Where nothing was placed yet, there is nothing to spare.
                    Assert.InRange(makespan, least * (1 - 1e-9), least * (before == 0 || times.Distinct().Count() == 1 ? 1 + 1e-9 : 1.2 + 1e-9));
                }
            },
            seed: "0000KOIPe036", iter: 5000);
    }

    [Fact]
    public void What_moves_shortens_the_makespan_and_no_move_could_be_left_out()
    {
        Courses.SampleSeeded(
            (shards, course) =>
            {
                var assignment = new ShardAssignment(shards);
                assignment.Rebalance(Workers(course[0].Length), Paces(course[0]));
                foreach (var times in course.Where(times => times.Length == course[0].Length && times.Distinct().Count() > 1))
                {
                    var before = Workers(times.Length).Select(assignment.ShardsOf).ToArray();
                    var makespan = Makespan(assignment, times);
                    if (!assignment.Rebalance(Workers(times.Length), Paces(times)))
                    {
                        continue;
                    }

                    var after = Makespan(assignment, times);
                    Assert.True(makespan > 1.2 * after);
                    foreach (var (worker, held) in Workers(times.Length).Zip(before))
                    {
                        var (had, has, time) = (held.Length, assignment.ShardsOf(worker).Length, times[Array.IndexOf(Workers(times.Length), worker)]);

                        // Whoever gives keeps as many as fit into the new makespan, and whoever takes gives nothing.
                        Assert.True(has >= had || (has + 1) * time > after * (1 + 1e-9));
                        Assert.Equal(Math.Min(had, has), held.Intersect(assignment.ShardsOf(worker)).Count());
                    }
                }
            },
            seed: "0000KOIPe036", iter: 5000);
    }

    [Fact]
    public void The_same_question_again_moves_nothing()
    {
        Courses.SampleSeeded(
            (shards, course) =>
            {
                var assignment = new ShardAssignment(shards);
                foreach (var times in course)
                {
                    assignment.Rebalance(Workers(times.Length), Paces(times));
                    Assert.False(assignment.Rebalance(Workers(times.Length), Paces(times)));
                    assignment.Rebalance(Workers(times.Length), Paces(times), tried: Worker(0));
                    Assert.Equal(times.Length == 1 ? shards : 1, assignment.ShardsOf(Worker(0)).Length);
                    Assert.False(assignment.Rebalance(Workers(times.Length), Paces(times), tried: Worker(0)));
                }
            },
            seed: "0000KOIPe036", iter: 5000);
    }

    [Fact]
    public void What_is_lent_to_a_slow_worker_makes_no_second_move()
    {
        // Three shards: with one of them lent, the other two are best placed otherwise than three are.
        var assignment = new ShardAssignment(3);
        foreach (var times in new double[][] { [1, 15 / 7.0, 3.42], [2.096, 1, 1, 0.34] })
        {
            assignment.Rebalance(Workers(times.Length), Paces(times));
            assignment.Rebalance(Workers(times.Length), Paces(times), tried: Worker(0));
            Assert.False(assignment.Rebalance(Workers(times.Length), Paces(times), tried: Worker(0)));
        }
    }

    // Shards, and the times of up to four workers at several moments; half of all workers are normal.
    private static readonly Gen<(int, double[][])> Courses = Gen.Select(
        Gen.Int[1, 14], Gen.OneOf(Gen.Const(1.0), Gen.Double[0.3, 12]).Array[1, 4].Array[1, 5]);

    private static double Makespan(ShardAssignment assignment, double[] times) =>
        times.Select((time, worker) => time * assignment.ShardsOf(Worker(worker)).Length).Max();

    /// <summary>By trying all.</summary>
    private static double Least(int shards, ReadOnlySpan<double> times)
    {
        if (times.Length == 1)
        {
            return shards * times[0];
        }

        var least = double.PositiveInfinity;
        for (var count = 0; count <= shards; count++)
        {
            least = Math.Min(least, Math.Max(count * times[0], Least(shards - count, times[1..])));
        }

        return least;
    }

    private static WorkerId Worker(int number) => new($"w{number}");

    private static WorkerId[] Workers(int count) => [.. Enumerable.Range(0, count).Select(Worker)];

    private static Dictionary<WorkerId, double> Pace(params (int Worker, double Time)[] slow) => slow.ToDictionary(static one => Worker(one.Worker), static one => one.Time);

    private static Dictionary<WorkerId, double> Paces(double[] times) => Pace([.. times.Select(static (time, worker) => (worker, time))]);
}
