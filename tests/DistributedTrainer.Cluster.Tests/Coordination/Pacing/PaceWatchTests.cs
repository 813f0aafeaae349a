using DistributedTrainer.Cluster.Coordination.Pacing;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Coordination.Pacing;

public sealed class PaceWatchTests
{
    [Fact]
    public void Workers_that_are_alike_keep_their_shards()
    {
        var bench = new PaceBench(workers: 4, shards: 8).Run(120);
        Assert.Empty(bench.News);
        Assert.Equal([2, 2, 2, 2], bench.Loads);
    }

    [Theory]
    [InlineData(2, 2)]
    [InlineData(2, 8)]
    [InlineData(4, 16)]
    public void Noise_of_a_busy_machine_moves_nothing(int workers, int shards)
    {
        var bench = new PaceBench(workers, shards);
        for (var worker = 0; worker < workers; worker++)
        {
            bench[worker].Factor = Noise(worker, 2);
        }

        Assert.Empty(bench.Run(600).News);
    }

    [Fact]
    public void A_worker_of_one_thread_is_not_slow_beside_one_of_many()
    {
        // The others wait for it, and for a shard it needs as long as one of their threads does.
        var bench = new PaceBench(workers: 2, shards: 10, 4, 1);
        bench[1].Factor = static _ => 1.4;
        Assert.Equal([8, 2], bench.Loads);
        Assert.Empty(bench.Run(120).News);
    }

    [Fact]
    public void A_worker_of_many_threads_that_is_slow_has_fewer_shards()
    {
        var bench = new PaceBench(workers: 2, shards: 10, 4, 1).Run(10);
        bench[0].Factor = static _ => 8;
        bench.Run(3);
        Assert.NotEmpty(bench.News);
        Assert.True(bench.Loads[0] <= 4, string.Join(' ', bench.Loads));
    }

    [Fact]
    public void A_single_stall_moves_nothing()
    {
        var bench = new PaceBench(workers: 2, shards: 4);
        bench[1].Factor = static second => second is > 10 and <= 10.4 ? 50 : 1;
        Assert.Empty(bench.Run(60).News);
    }

    [Fact]
    public void A_worker_that_is_ten_times_slower_has_no_shards_two_seconds_later()
    {
        var bench = new PaceBench(workers: 2, shards: 4).Run(10);
        bench[1].Factor = static _ => 10;
        bench.Run(2);
        Assert.Matches(@"^w1 computes (9\.\d|10\.0) times slower than the others: its shards move\.$", Assert.Single(bench.News).News.Text);
        Assert.Equal([4, 0], bench.Loads);
    }

    [Theory]
    [InlineData(2, 2, 30)]
    [InlineData(2, 8, 30)]
    [InlineData(4, 16, 60)]
    public void A_worker_that_is_stopped_in_bursts_from_the_beginning_costs_little(int workers, int shards, double seconds)
    {
        // As long as others wait for it in each burst, it is not the number of its shards that counts.
        var bench = new PaceBench(workers, shards);
        bench[0].Factor = second => bench.Loads[0] == 0 ? 1 : 10.0 * shards / workers / bench.Loads[0];
        var steps = bench.Run(seconds).Steps;
        var quiet = new PaceBench(workers - 1, shards).Run(seconds).Steps;
        Assert.InRange(quiet / steps, 1, 1.3);
    }

    [Fact]
    public void One_of_four_that_is_four_times_slower_keeps_what_it_can_do()
    {
        var bench = new PaceBench(workers: 4, shards: 16);
        bench[2].Factor = static _ => 4;
        bench.Run(4);
        Assert.Equal([5, 5, 1, 5], bench.Loads);
        var begun = bench.Steps;
        bench.Run(100);

        // With 4 shards each, the slow one would take 16 ms and the servers half of one.
        Assert.True((bench.Steps - begun) / 100 > 1.6 * 1000 / 16.5);
    }

    [Fact]
    public void Several_slow_ones_are_found()
    {
        var bench = new PaceBench(workers: 4, shards: 16);
        (bench[0].Factor, bench[3].Factor) = (static _ => 10, static _ => 11);
        bench.Run(6);
        Assert.Equal([0, 8, 8, 0], bench.Loads);
    }

    [Fact]
    public void One_that_is_hidden_by_a_slower_one_is_found_after_it()
    {
        var bench = new PaceBench(workers: 4, shards: 16);
        (bench[0].Factor, bench[3].Factor) = (static _ => 5, static _ => 20);
        bench.Run(5);
        Assert.Equal([1, 8, 7, 0], bench.Loads);
        Assert.Equal(2, bench.Moves);
    }

    [Fact]
    public void A_worker_that_stays_slow_is_tried_ever_more_rarely()
    {
        var bench = new PaceBench(workers: 2, shards: 4);
        bench[1].Factor = static _ => 10;
        bench.Run(200);
        Assert.Equal([PaceChange.Slow, .. Enumerable.Repeat(new[] { PaceChange.Tried, PaceChange.StillSlow }, 4).SelectMany(static two => two)], bench.News.Select(static one => one.News.Change));
        var tried = bench.News.Where(static one => one.News.Change == PaceChange.Tried).Select(static one => one.Second).ToArray();
        var pauses = tried.Zip(tried.Skip(1), static (one, next) => next - one).ToArray();
        Assert.True(pauses[1] > 1.8 * pauses[0] && pauses[2] > 1.8 * pauses[1], string.Join(' ', pauses));

        // Each is short.
        Assert.All(bench.News.Where(static one => one.News.Change == PaceChange.StillSlow).Zip(tried), static pair => Assert.InRange(pair.First.Second - pair.Second, 0, 1.5));
    }

    [Theory]
    [InlineData(2, 2)]
    [InlineData(2, 4)]
    [InlineData(4, 16)]
    public void A_worker_that_is_fast_again_gets_its_shards_back(int workers, int shards)
    {
        var bench = new PaceBench(workers, shards);
        bench[1].Factor = static second => second < 8 ? 10 : 1;
        bench.Run(8);
        Assert.Equal(0, bench.Loads[1]);
        bench.Run(12);
        Assert.Equal(Enumerable.Repeat(shards / workers, workers), bench.Loads);
        Assert.Equal([PaceChange.Slow, PaceChange.Tried, PaceChange.Recovered], bench.News.Select(static one => one.News.Change));
        Assert.Empty(bench.Watch.Paces);
        bench.Run(300);
        Assert.Equal(3, bench.News.Count);
    }

    [Fact]
    public void A_worker_with_few_shards_that_is_fast_again_gets_the_others_back()
    {
        var bench = new PaceBench(workers: 4, shards: 16);
        bench[1].Factor = static second => second < 8 ? 4 : 1;
        bench.Run(30);
        Assert.Equal([4, 4, 4, 4], bench.Loads);
    }

    [Fact]
    public void A_worker_whose_few_rows_cost_it_as_much_as_many_gets_its_shards_back_too()
    {
        // Something in a step takes as long as five shards, whoever makes it and however few shards there are.
        var bench = new PaceBench(workers: 4, shards: 16);
        for (var worker = 0; worker < 4; worker++)
        {
            var number = worker;
            bench[worker].Factor = second => (number == 1 && second < 8 ? 4 : 1) * (bench.Loads[number] + 5.0) / Math.Max(1, bench.Loads[number]);
        }

        bench.Run(60);
        Assert.Equal([4, 4, 4, 4], bench.Loads);
    }

    [Fact]
    public void A_worker_that_is_slow_now_and_then_moves_shards_ever_more_rarely()
    {
        var bench = new PaceBench(workers: 2, shards: 8);
        bench[1].Factor = static second => second % 20 < 8 ? 10 : 1;
        var moves = new List<int>();
        for (var i = 0; i < 4; i++)
        {
            var before = bench.Moves;
            bench.Run(300);
            moves.Add(bench.Moves - before);
        }

        Assert.True(moves[0] > 0 && moves[3] < moves[0] / 2 && moves.Sum() < 60, string.Join(' ', moves));
    }

    [Fact]
    public void Steps_that_are_slow_for_everybody_move_nothing()
    {
        var bench = new PaceBench(workers: 3, shards: 6).Run(10);
        bench.Shard = 400_000;
        Assert.Empty(bench.Run(120).News);
        bench.Shard = 50;
        Assert.Empty(bench.Run(20).News);
    }

    [Fact]
    public void The_first_second_of_steps_says_nothing()
    {
        var bench = new PaceBench(workers: 2, shards: 4);
        bench[0].Factor = static second => second < 1.4 ? 30 : 1;
        Assert.Empty(bench.Run(30).News);
    }

    [Fact]
    public void Where_workers_mostly_wait_for_servers_nothing_moves()
    {
        var bench = new PaceBench(workers: 2, shards: 4) { Shard = 20 };
        bench[1].Factor = static _ => 6;
        Assert.Empty(bench.Run(60).News);
    }

    [Fact]
    public void Slow_steps_are_measured_too()
    {
        var bench = new PaceBench(workers: 2, shards: 2) { Shard = 700_000 };
        bench[0].Factor = static second => second < 20 ? 1 : 10;
        bench.Run(50);
        Assert.Equal(PaceChange.Slow, bench.News[0].News.Change);
        Assert.Equal([0, 2], bench.Loads);
        bench.Run(20);
        Assert.Single(bench.News);
    }

    [Fact]
    public void Where_only_slow_workers_are_left_they_are_alike()
    {
        var bench = new PaceBench(workers: 3, shards: 6);
        (bench[0].Factor, bench[1].Factor) = (static _ => 10, static _ => 10);
        bench.Run(5);
        Assert.Equal([0, 0, 6], bench.Loads);
        bench[2].Usable = false;
        bench.Place();
        bench.Run(5);
        Assert.Equal([3, 3, 0], bench.Loads);
        Assert.Empty(bench.Watch.Paces);
    }

    [Fact]
    public void A_worker_that_dies_while_it_is_tried_is_forgotten()
    {
        var bench = new PaceBench(workers: 3, shards: 6);
        bench[1].Factor = static _ => 10;
        bench.Run(8);
        while (bench.Watch.Probe is null)
        {
            bench.Run(0.1);
        }

        bench[1].Usable = false;
        bench.Place();
        bench.Run(30);
        Assert.Null(bench.Watch.Probe);
        Assert.Equal([3, 0, 3], bench.Loads);
    }

    [Fact]
    public void A_worker_alone_is_neither_slow_nor_frozen()
    {
        var bench = new PaceBench(workers: 1, shards: 4).Run(10);
        bench[0].Factor = static _ => 10;
        bench.Run(10);
        bench[0].Frozen = true;
        Assert.Empty(bench.Run(30).News);
    }

    /// <summary>Between 1 and this factor, another one in each tenth of a second.</summary>
    private static Func<double, double> Noise(int worker, double largest) =>
        second => Math.Pow(largest, new Random((int)(second * 10) + (worker * 1_000_003)).NextDouble());
}
