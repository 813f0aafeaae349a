using DistributedTrainer.Cluster.Coordination.Pacing;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Coordination.Pacing;

/// <summary>Who is silent, and who is to blame for a standstill.</summary>
public sealed class FrozenWorkersTests
{
    [Fact]
    public void A_frozen_worker_is_found()
    {
        var bench = new PaceBench(workers: 3, shards: 6).Run(10);
        bench[1].Frozen = true;
        bench.Run(2.8);
        var (_, news) = Assert.Single(bench.News);
        Assert.Equal((PaceChange.Frozen, bench[1].Id), (news.Change, news.Worker));
        Assert.Matches(@"^w1 is frozen \(not heard of for 2\.\d s, and the others wait for it\)$", news.Text);
        Assert.Equal([3, 0, 3], bench.Loads);
        bench.Run(60);
        Assert.Single(bench.News);
    }

    [Fact]
    public void A_frozen_worker_that_goes_on_gets_one_shard_and_then_its_share()
    {
        var bench = new PaceBench(workers: 2, shards: 8).Run(10);
        bench[1].Frozen = true;
        bench.Run(5);
        (bench[1].Frozen, bench[1].Usable) = (false, true);
        bench.Place();
        Assert.Equal([8, 0], bench.Loads);
        bench.Run(15);
        Assert.Equal([4, 4], bench.Loads);
        Assert.Equal([PaceChange.Frozen, PaceChange.Tried, PaceChange.Recovered], bench.News.Select(static one => one.News.Change));
    }

    [Fact]
    public void Nobody_is_frozen_where_all_are_silent()
    {
        var bench = new PaceBench(workers: 2, shards: 4).Run(10);
        (bench[0].Frozen, bench[1].Frozen) = (true, true);
        Assert.Empty(bench.Run(30).News);
    }

    [Fact]
    public void Nobody_is_frozen_where_all_are_heard_of()
    {
        // Such as a server that is stopped, or an evaluation of many rows.
        var bench = new PaceBench(workers: 2, shards: 4).Run(10);
        bench.Evaluates = true;
        bench.Run(60);
        bench.Evaluates = false;
        Assert.Empty(bench.Run(10).News);
    }

    [Fact]
    public void A_worker_that_is_silent_while_steps_go_on_is_not_frozen()
    {
        var bench = new PaceBench(workers: 3, shards: 2).Run(10);
        bench[2].Frozen = true;
        Assert.Equal([1, 1, 0], bench.Loads);
        Assert.Empty(bench.Run(60).News);
    }

    [Fact]
    public void Long_steps_are_no_standstill()
    {
        var bench = new PaceBench(workers: 2, shards: 2) { Shard = 3_000_000 };
        Assert.Empty(bench.Run(30).News);
        bench[1].Frozen = true;
        Assert.Empty(bench.Run(6).News);
        bench.Run(20);
        Assert.Equal(PaceChange.Frozen, Assert.Single(bench.News).News.Change);
    }

    [Fact]
    public void A_coordinator_that_was_stopped_blames_nobody()
    {
        var bench = new PaceBench(workers: 2, shards: 4).Run(10);
        bench.Coordinates = false;
        bench.Run(20);
        bench.Coordinates = true;
        Assert.Empty(bench.Run(20).News);
    }

    [Fact]
    public void A_coordinator_that_was_stopped_finds_who_is_frozen_afterwards()
    {
        var bench = new PaceBench(workers: 2, shards: 4).Run(10);
        (bench.Coordinates, bench[0].Frozen) = (false, true);
        bench.Run(20);
        bench.Coordinates = true;
        Assert.Empty(bench.Run(1.5).News);
        bench.Run(2);
        Assert.Equal(PaceChange.Frozen, Assert.Single(bench.News).News.Change);
    }
}
