using CsCheck;

namespace DistributedTrainer.Data.Tests;

public class LeafScheduleTests
{
    private static readonly Gen<(int Rows, int Batch, int Shards, bool Keep, bool Shuffle, ulong Seed)> Cases =
        from rows in Gen.Int[1, 200]
        from keep in Gen.Bool
        from batch in Gen.Int[1, keep ? 260 : rows]
        from shards in Gen.Int[1, Math.Min(rows, Math.Min(batch, 16))]
        from shuffle in Gen.Bool
        from seed in Gen.ULong
        select (rows, batch, shards, keep, shuffle, seed);

    private static LeafSchedule Schedule((int Rows, int Batch, int Shards, bool Keep, bool Shuffle, ulong Seed) c) =>
        new(c.Rows, c.Batch, c.Shards, c.Keep, c.Shuffle, c.Seed);

    private static int[][] Leaves(LeafSchedule schedule, long step) =>
        [.. Enumerable.Range(0, schedule.Shards).Select(shard => new ShardOrder(schedule, shard).Rows(step).ToArray())];

    private static int[] Epoch(LeafSchedule schedule, int epoch) =>
        [.. Enumerable.Range(0, (int)schedule.StepsPerEpoch).SelectMany(step => Leaves(schedule, (epoch * schedule.StepsPerEpoch) + step)).SelectMany(static leaf => leaf)];

    [Fact]
    public void An_epoch_visits_every_row_exactly_once_or_drops_less_than_a_batch() => Property.For(Cases, static c =>
    {
        var schedule = Schedule(c);
        for (var epoch = 0; epoch < 3; epoch++)
        {
            var visited = Epoch(schedule, epoch);
            Assert.Equal(c.Keep ? c.Rows : c.Rows / c.Batch * c.Batch, visited.Length);
            Assert.Equal(visited.Length, visited.Distinct().Count());
            Assert.All(visited, row => Assert.InRange(row, 0, c.Rows - 1));
        }
    });

    [Fact]
    public void The_leaves_of_a_step_add_up_to_its_batch() => Property.For(Cases, static c =>
    {
        var schedule = Schedule(c);
        for (var step = 0L; step < 2 * schedule.StepsPerEpoch; step++)
        {
            var leaves = Leaves(schedule, step);
            Assert.Equal(schedule.GlobalRows(step), leaves.Sum(static leaf => leaf.Length));
            Assert.Equal(Enumerable.Range(0, c.Shards).Select(shard => schedule.LeafRows(step, shard)), leaves.Select(static leaf => leaf.Length));
            Assert.InRange(leaves.Max(static leaf => leaf.Length) - leaves.Min(static leaf => leaf.Length), 0, 1);
            var last = step % schedule.StepsPerEpoch == schedule.StepsPerEpoch - 1;
            Assert.True(schedule.GlobalRows(step) == c.Batch || (c.Keep && last), $"step {step} has {schedule.GlobalRows(step)} rows");
        }

        Assert.Equal(Enumerable.Range(0, (int)schedule.StepsPerEpoch).Min(step => Leaves(schedule, step).Min(static leaf => leaf.Length)), schedule.MinimumLeafRows);
    });

    [Fact]
    public void A_shard_visits_its_own_rows_only() => Property.For(Cases, static c =>
    {
        var schedule = Schedule(c);
        for (var step = 0L; step < 2 * schedule.StepsPerEpoch; step++)
        {
            var leaves = Leaves(schedule, step);
            for (var shard = 0; shard < c.Shards; shard++)
            {
                Assert.All(leaves[shard], row => Assert.Equal(shard, row % c.Shards));
            }
        }
    });

    [Fact]
    public void Without_shuffling_rows_come_in_file_order() => Property.For(Cases, static c =>
    {
        var schedule = Schedule(c with { Shuffle = false });
        for (var step = 0L; step < 2 * schedule.StepsPerEpoch; step++)
        {
            var first = (int)(step % schedule.StepsPerEpoch) * c.Batch;
            Assert.Equal(Enumerable.Range(first, schedule.GlobalRows(step)), Leaves(schedule, step).SelectMany(static leaf => leaf).Order());
            Assert.All(Leaves(schedule, step), static leaf => Assert.Equal(leaf.Order(), leaf));
        }
    });

    [Fact]
    public void Shuffled_orders_differ_by_epoch_and_by_shard()
    {
        var schedule = new LeafSchedule(400, 100, 4, keepLast: true, shuffle: true, 5);
        var orders = (from epoch in Enumerable.Range(0, 5)
                      from shard in Enumerable.Range(0, 4)
                      let order = new ShardOrder(schedule, shard)
                      select string.Join(',', Enumerable.Range(0, 4).SelectMany(step => order.Rows((epoch * 4) + step).ToArray()).Select(row => row / 4))).ToArray();

        Assert.Equal(20, orders.Distinct().Count());
    }

    [Fact]
    public void Shuffled_orders_depend_on_the_seed_alone()
    {
        var first = new LeafSchedule(90, 30, 3, keepLast: true, shuffle: true, 5);
        var otherBatch = new LeafSchedule(90, 45, 3, keepLast: true, shuffle: true, 5);
        var otherSeed = new LeafSchedule(90, 30, 3, keepLast: true, shuffle: true, 6);

        Assert.Equal(ShardEpoch(first, 1, 4), ShardEpoch(otherBatch, 1, 4));
        Assert.NotEqual(ShardEpoch(first, 1, 4), ShardEpoch(otherSeed, 1, 4));
    }

    [Fact]
    public void A_step_has_the_same_rows_whenever_it_is_asked_for() => Property.For(Cases, static c =>
    {
        var schedule = Schedule(c);
        var order = new ShardOrder(schedule, 0);
        long[] steps = [schedule.StepsPerEpoch * 7, 0, schedule.StepsPerEpoch, 0, schedule.StepsPerEpoch * 7];

        var rows = steps.Select(step => order.Rows(step).ToArray()).ToArray();

        Assert.Equal(rows[0], rows[4]);
        Assert.Equal(rows[1], rows[3]);
        Assert.Equal(new ShardOrder(schedule, 0).Rows(steps[2]).ToArray(), rows[2]);
    });

    [Fact]
    public void The_last_leaves_of_an_epoch_may_be_empty()
    {
        var schedule = new LeafSchedule(10, 4, 4, keepLast: true, shuffle: true, 1);

        Assert.Equal([1, 1, 0, 0], Enumerable.Range(0, 4).Select(shard => schedule.LeafRows(2, shard)));
        Assert.Equal(0, schedule.MinimumLeafRows);
        Assert.True(new ShardOrder(schedule, 3).Rows(2).IsEmpty);
    }

    [Fact]
    public void A_single_row_is_an_epoch()
    {
        var schedule = new LeafSchedule(1, int.MaxValue, 1, keepLast: true, shuffle: true, 1);

        Assert.Equal(1, schedule.StepsPerEpoch);
        Assert.Equal([0], Epoch(schedule, 12));
    }

    [Fact]
    public void Steps_far_beyond_32_bits_have_rows()
    {
        var schedule = new LeafSchedule(7, 2, 2, keepLast: true, shuffle: true, 1);

        Assert.Equal([0, 1, 2, 3, 4, 5, 6], Epoch(schedule, 2_000_000_000).Order());
    }

    [Theory]
    [InlineData(5, 10, 6, true, "training.shards is 6, but there are 5 training rows")]
    [InlineData(50, 4, 6, true, "training.shards is 6, but training.batch-size is 4")]
    [InlineData(5, 10, 2, false, "no batch would be left")]
    [InlineData(0, 10, 1, true, "no training rows")]
    [InlineData(5, 0, 1, true, "training.batch-size is 0")]
    [InlineData(5, 2, 0, true, "training.shards is 0")]
    public void Numbers_that_do_not_fit_are_refused(int rows, int batch, int shards, bool keep, string message)
    {
        Assert.Contains(message, LeafSchedule.Problem(rows, batch, shards, keep));
        Assert.Contains(message, Assert.Throws<ArgumentException>(() => new LeafSchedule(rows, batch, shards, keep, true, 1)).Message);
    }

    private static int[] ShardEpoch(LeafSchedule schedule, int shard, int epoch)
    {
        var order = new ShardOrder(schedule, shard);
        return [.. Enumerable.Range(0, (int)schedule.StepsPerEpoch).SelectMany(step => order.Rows((epoch * schedule.StepsPerEpoch) + step).ToArray())];
    }
}
