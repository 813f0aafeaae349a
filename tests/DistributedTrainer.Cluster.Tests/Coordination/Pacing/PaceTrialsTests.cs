using CsCheck;
using DistributedTrainer.Cluster.Coordination.Pacing;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Coordination.Pacing;

/// <summary>Placements that are judged by the steps that they give.</summary>
public sealed class PaceTrialsTests
{
    // A step of some 30 ms, as in the benchmark.
    private const double Shard = 6000;

    [Theory]
    [InlineData(3)]
    [InlineData(3.5)]
    [InlineData(4)]
    public void One_of_four_that_is_slow_is_found_where_they_wait_for_one_anothers_core(double factor)
    {
        // It looks 2.2 to 2.8 times slower, since the others' time has their waiting in it.
        var bench = Contended(factor);
        var even = Contended(factor);
        even.Coordinates = false;
        Assert.Equal([3, 0, 3, 2], bench.Run(12).Loads);
        even.Run(12);
        var (begun, evenBegun) = (bench.Steps, even.Steps);
        Assert.InRange((bench.Run(60).Steps - begun) / (even.Run(60).Steps - evenBegun), 1.65, 3);
    }

    [Fact]
    public void What_is_not_sure_moves_for_a_trial_and_stays_where_steps_become_faster()
    {
        var bench = Contended(3).Run(10);
        Assert.Equal([PaceChange.Doubted, PaceChange.Relieved, PaceChange.Doubted, PaceChange.Relieved], bench.News.Select(static one => one.News.Change));
        Assert.Equal("w1 computes 2.2 times slower than the others: shards move for a trial.", bench.News[0].News.Text);
        Assert.Equal("w1 is slow: with fewer shards for it there are 37.5 steps a second instead of 23.3.", bench.News[1].News.Text);
    }

    [Fact]
    public void What_gives_nothing_is_taken_back_to_where_it_was_and_is_tried_ever_more_rarely()
    {
        // One is twice as slow; but a third shard takes any other as long as two take that one.
        var bench = new PaceBench(workers: 4, shards: 8) { Shard = Shard };
        var before = Placement(bench);
        bench[1].Factor = static _ => 2;
        foreach (var worker in new[] { 0, 2, 3 })
        {
            bench[worker].Factor = _ => bench.Loads[worker] > 2 ? 4.0 / bench.Loads[worker] : 1;
        }

        bench.Run(600);
        var vain = bench.News.Where(static one => one.News.Change == PaceChange.Restored).Select(static one => one.Second).ToArray();
        Assert.InRange(vain.Length, 3, 8);
        Assert.Equal(bench.News.Count, 2 * vain.Length);
        Assert.Equal(before, Placement(bench));
        var pauses = vain.Zip(vain.Skip(1), static (one, next) => next - one).ToArray();
        Assert.True(pauses[1] > 1.5 * pauses[0] && pauses[2] > 1.5 * pauses[1], string.Join(' ', pauses));
    }

    [Fact]
    public void The_last_shards_of_a_slow_worker_stay_where_it_does_better_with_them()
    {
        var bench = new PaceBench(workers: 4, shards: 16) { Shard = Shard };
        bench[2].Factor = static _ => 2;
        bench.Run(60);
        Assert.Equal(2, bench.Loads[2]);
        Assert.Contains(bench.News, static one => one.News.Change == PaceChange.Restored);
        Assert.True(bench.Moves <= 14, $"{bench.Moves} moves");
    }

    [Fact]
    public void A_chance_that_costs_steps_is_withdrawn_though_the_worker_does_not_look_slow()
    {
        var bench = Contended(3).Run(60);
        var tried = bench.News.Where(static one => one.News.Change == PaceChange.Tried).Select(static one => one.Second).ToArray();
        var withdrawn = bench.News.Where(static one => one.News.Change == PaceChange.StillSlow).Select(static one => one.Second).ToArray();
        Assert.Equal(2, tried.Length);
        Assert.All(tried.Zip(withdrawn), static pair => Assert.InRange(pair.Second - pair.First, 0, 3));
        Assert.True(tried[1] - withdrawn[0] >= 20);
        Assert.Equal(0, bench.Loads[1]);
    }

    [Fact]
    public void A_worker_that_is_fast_again_gets_its_share()
    {
        var bench = Contended(3);
        bench[1].Factor = static second => second < 15 ? 3 : 1;
        bench.Run(25);
        Assert.Equal([2, 2, 2, 2], bench.Loads);
        Assert.Empty(bench.Watch.Paces);
        var moves = bench.Moves;
        Assert.Equal(moves, bench.Run(300).Moves);
    }

    [Fact]
    public void A_chance_is_given_again_at_once_where_it_was_not_the_chance_that_made_steps_slow()
    {
        var bench = new PaceBench(workers: 2, shards: 8) { Shard = Shard };
        bench[1].Factor = static second => second < 8 ? 10 : 1;
        while (bench.Watch.Probe is null)
        {
            bench.Run(0.1);
        }

        // From now on all is three times slower.
        bench.Shard = 3 * Shard;
        bench.Run(8);
        Assert.Equal([PaceChange.Slow, PaceChange.Tried, PaceChange.StillSlow, PaceChange.Tried, PaceChange.Recovered], bench.News.Select(static one => one.News.Change));
        Assert.Equal([4, 4], bench.Loads);
    }

    [Fact]
    public void A_trial_ends_when_somebody_dies()
    {
        var bench = Contended(3);
        while (bench.News.Count == 0)
        {
            bench.Run(0.1);
        }

        Assert.NotEmpty(bench.Watch.Paces);
        bench[3].Usable = false;
        bench.Place();
        Assert.Empty(bench.Watch.Paces);

        // Nothing is concluded from steps of one more worker.
        bench.Run(1);
        Assert.Single(bench.News);
    }

    [Fact]
    public void A_worker_that_freezes_in_a_trial_is_not_slow_by_what_was_tried()
    {
        var bench = Contended(3);
        while (bench.News.Count == 0)
        {
            bench.Run(0.1);
        }

        bench[1].Frozen = true;
        bench.Run(4);
        Assert.Equal(PaceChange.Frozen, bench.News[^1].News.Change);
        Assert.Equal(double.PositiveInfinity, bench.Watch.Paces[bench[1].Id]);
        Assert.Equal(0, bench.Loads[1]);
    }

    [Fact]
    public void Equal_workers_are_not_shuffled_for_ever()
    {
        // The speed of each changes by up to this factor, every few seconds: as on a machine with other work.
        var courses = Gen.Select(Gen.Double[1, 3], Gen.Double[0.2, 30], Gen.Int[2, 4], Gen.Int[0, 1000]);
        courses.SampleSeeded(
            (factor, period, cores, number) =>
            {
                var (bench, even) = (Alike(factor, period, cores, number), Alike(factor, period, cores, number));
                even.Coordinates = false;
                Assert.InRange(bench.Run(150).Steps / even.Run(150).Steps, 0.93, 2);
                var moves = bench.Moves;
                Assert.InRange(bench.Run(150).Moves - moves, 0, 12);
            },
            seed: "0000KOIPe036", iter: 30);
    }

    [Fact]
    public void A_slow_worker_never_costs_more_than_it_would_with_its_share_or_without_any()
    {
        var courses = Gen.Select(Gen.Double[2.5, 12], Gen.Int[2, 5], Gen.Int[1, 4], Gen.Int[2, 4]);
        courses.SampleSeeded(
            (factor, workers, each, cores) =>
            {
                PaceBench Bench()
                {
                    var bench = new PaceBench(workers, workers * each) { Cores = cores, Shard = Shard };
                    bench[1].Factor = _ => factor;
                    return bench;
                }

                var (bench, even, without) = (Bench(), Bench(), Bench());
                even.Coordinates = without.Coordinates = false;
                without[1].Usable = false;
                without.Place();
                bench.Run(30);
                var begun = bench.Steps;
                var best = Math.Max(even.Run(60).Steps, without.Run(60).Steps);
                Assert.True(bench.Run(60).Steps - begun > 0.88 * best, $"{bench.Steps - begun:0} of {best:0} steps, {string.Join(' ', bench.Loads)}");
                Assert.InRange(bench.Moves, 0, 24);
            },
            seed: "0000KOIPe036", iter: 40);
    }

    private static int[][] Placement(PaceBench bench) => [.. Enumerable.Range(0, bench.Loads.Length).Select(worker => bench.Shards.ShardsOf(bench[worker].Id))];

    /// <summary>Four workers on two cores, one of which is stopped all but 1/factor of the time.</summary>
    private static PaceBench Contended(double factor)
    {
        var bench = new PaceBench(workers: 4, shards: 8) { Cores = 2, Shard = Shard };
        bench[1].Factor = _ => factor;
        return bench;
    }

    private static PaceBench Alike(double factor, double period, int cores, int number)
    {
        var bench = new PaceBench(workers: 4, shards: 8) { Cores = cores, Shard = Shard };
        for (var worker = 0; worker < 4; worker++)
        {
            var salt = (number * 4) + worker;
            bench[worker].Factor = second => Math.Pow(factor, new Random((int)((second / period) + (salt * 0.37)) + (salt * 1_000_003)).NextDouble());
        }

        return bench;
    }
}
