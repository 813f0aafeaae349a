using CsCheck;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Coordination;

public sealed class ShardAssignmentTests
{
    [Fact]
    public void At_first_each_worker_gets_neighbouring_shards()
    {
        var assignment = new ShardAssignment(8);
        Assert.True(assignment.Rebalance(Workers(3)));
        Assert.Equal([[0, 1, 2], [3, 4, 5], [6, 7]], Workers(3).Select(assignment.ShardsOf));
    }

    [Fact]
    public void A_dead_workers_shards_move_and_all_others_stay()
    {
        var assignment = new ShardAssignment(8);
        assignment.Rebalance(Workers(4));
        Assert.True(assignment.Rebalance([Worker(0), Worker(1), Worker(3)]));
        Assert.Equal([0, 1], assignment.ShardsOf(Worker(0)).Intersect([0, 1]));
        Assert.Equal([2, 3], assignment.ShardsOf(Worker(1)).Intersect([2, 3]));
        Assert.Equal([6, 7], assignment.ShardsOf(Worker(3)).Intersect([6, 7]));
        Assert.Empty(assignment.ShardsOf(Worker(2)));
    }

    [Fact]
    public void Nothing_moves_where_nothing_changed()
    {
        var assignment = new ShardAssignment(7);
        assignment.Rebalance(Workers(3));
        Assert.False(assignment.Rebalance(Workers(3)));
    }

    [Fact]
    public void Workers_beyond_the_shards_stand_by()
    {
        var assignment = new ShardAssignment(2);
        assignment.Rebalance(Workers(4));
        Assert.Equal(2, Workers(4).Count(worker => assignment.ShardsOf(worker).Length == 0));
    }

    [Fact]
    public void Without_workers_no_shard_has_an_owner()
    {
        var assignment = new ShardAssignment(3);
        assignment.Rebalance(Workers(2));
        Assert.True(assignment.Rebalance([]));
        Assert.Empty(Workers(2).SelectMany(assignment.ShardsOf));
        Assert.False(assignment.Rebalance([]));
    }

    [Fact]
    public void What_workers_would_gain_is_what_they_have_more_once_it_is_done()
    {
        var assignment = new ShardAssignment(8);
        assignment.Rebalance(Workers(3));
        Assert.Empty(assignment.Gains(Workers(3), new Dictionary<WorkerId, double>()));
        var slow = new Dictionary<WorkerId, double> { [Worker(1)] = 10 };
        var before = Workers(4).ToDictionary(static worker => worker, assignment.ShardsOf);
        var gains = assignment.Gains(Workers(4), slow);
        Assert.Equal([Worker(0), Worker(1), Worker(2)], assignment.Workers);
        Assert.Equal(before.Values, Workers(4).Select(assignment.ShardsOf));

        Assert.True(assignment.Rebalance(Workers(4), slow));
        Assert.Equal(Workers(4), assignment.Workers);
        Assert.True(gains.ContainsKey(Worker(3)) && !gains.ContainsKey(Worker(1)));
        Assert.All(Workers(4), worker => Assert.Equal(assignment.ShardsOf(worker).Except(before[worker]), gains.GetValueOrDefault(worker) ?? []));
    }

    [Fact]
    public void Every_shard_has_one_owner_and_loads_differ_by_one_at_most()
    {
        Courses.SampleSeeded(
            (shards, course) =>
            {
                var assignment = new ShardAssignment(shards);
                foreach (var workers in course.Select(Chosen).Where(static workers => workers.Length > 0))
                {
                    assignment.Rebalance(workers);
                    Assert.Equal(Enumerable.Range(0, shards), workers.SelectMany(assignment.ShardsOf).Order());
                    var loads = workers.Select(worker => assignment.ShardsOf(worker).Length).ToArray();
                    Assert.InRange(loads.Max() - loads.Min(), 0, 1);
                }
            },
            seed: "0000KOIPe036", iter: 300);
    }

    [Fact]
    public void No_more_shards_move_than_balance_needs()
    {
        Courses.SampleSeeded(
            (shards, course) =>
            {
                var assignment = new ShardAssignment(shards);
                WorkerId[] before = [];
                foreach (var workers in course.Select(Chosen).Where(static workers => workers.Length > 0))
                {
                    var held = before.ToDictionary(static worker => worker, assignment.ShardsOf);
                    assignment.Rebalance(workers);
                    var stayed = workers.Sum(worker => held.GetValueOrDefault(worker, []).Intersect(assignment.ShardsOf(worker)).Count());

                    // A worker keeps what it had up to its new load; the shards % workers largest loads go to whoever has most.
                    var (low, extra) = (shards / workers.Length, shards % workers.Length);
                    var possible = workers.Select(worker => held.GetValueOrDefault(worker, []).Length).OrderDescending().Select((had, i) => Math.Min(had, low + (i < extra ? 1 : 0))).Sum();
                    Assert.Equal(possible, stayed);
                    before = workers;
                }
            },
            seed: "0000KOIPe036", iter: 300);
    }

    private static readonly Gen<(int, int[])> Courses = Gen.Select(Gen.Int[1, 20], Gen.Int[0, 63].Array[1, 6]);

    private static WorkerId Worker(int number) => new($"w{number}");

    private static WorkerId[] Workers(int count) => [.. Enumerable.Range(0, count).Select(Worker)];

    private static WorkerId[] Chosen(int set) => [.. Enumerable.Range(0, 6).Where(i => (set & (1 << i)) != 0).Select(Worker)];
}
