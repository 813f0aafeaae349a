using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class StatisticsBoardTests
{
    // Leaves of 7 or 8 rows; the last of the five batches of an epoch has 2 rows and three empty leaves.
    private static readonly TestExperiment Experiment = new()
    {
        Layers = ["linear: 2", "batch-norm", "linear: 3", "batch-norm", "linear: 3"],
        Training = "{ epochs: 2, batch-size: 37, shards: 5 }",
    };

    private readonly TrainingPlan _plan = Experiment.Plan();
    private readonly StatisticsBoard _board;

    public StatisticsBoardTests() => _board = new StatisticsBoard(_plan);

    [Fact]
    public void Everybody_who_waits_is_answered_when_the_last_leaf_has_come()
    {
        var (first, second, silent) = (new RecordingChannel(), new RecordingChannel(), new RecordingChannel());
        Send(first, 0, 0, StatisticsFlags.WantsTotal);
        Send(silent, 0, 1);
        Send(second, 0, 2, StatisticsFlags.WantsTotal);
        Send(silent, 0, 3);
        Assert.Empty(first.Posted);
        Send(silent, 0, 4);
        Assert.Empty(silent.Posted);
        var (header, payload) = Assert.Single(first.Posted);
        Assert.Equal((FrameKind.StatisticsTotal, 0L, 37), (header.Kind, header.Step, header.Rows));
        Assert.Equal(payload, Assert.Single(second.Posted).Payload);
        Assert.Equal(Expected(0, backward: false).Values, Doubles(payload));
    }

    [Fact]
    public void Any_order_of_arrival_gives_the_same_bits_forward_and_backward()
    {
        for (var seed = 0; seed < 20; seed++)
        {
            foreach (var backward in (bool[])[false, true])
            {
                var board = new StatisticsBoard(_plan);
                var order = Enumerable.Range(0, 5).ToArray();
                new Random(seed).Shuffle(order);
                var channel = new RecordingChannel();
                foreach (var shard in order)
                {
                    Send(channel, 0, shard, (byte)(StatisticsFlags.WantsTotal | (backward ? StatisticsFlags.Backward : 0)), board: board);
                }

                Assert.Equal(Expected(0, backward).Values, Doubles(channel.Last.Payload));
                Assert.Single(channel.Posted);
            }
        }
    }

    [Fact]
    public void Empty_leaves_are_not_waited_for()
    {
        var channel = new RecordingChannel();
        Send(channel, 4, 3);
        Send(channel, 4, 4, StatisticsFlags.WantsTotal);
        Assert.Equal(2, Assert.Single(channel.Posted).Header.Rows);
    }

    [Fact]
    public void Where_nobody_waits_the_moments_are_gathered_for_the_running_statistics_alone()
    {
        var channel = new RecordingChannel();
        Enumerable.Range(0, 5).ToList().ForEach(shard => Send(channel, 0, shard, layer: 1));
        Enumerable.Range(0, 5).ToList().ForEach(shard => Send(channel, 0, shard, layer: 0));
        Assert.Empty(channel.Posted);
        Assert.Null(_board.Missing(0));
    }

    [Fact]
    public void A_leaf_of_the_step_before_is_recomputed_while_the_next_step_is_gathered()
    {
        var (late, next) = (new RecordingChannel(), new RecordingChannel());
        Enumerable.Range(0, 5).ToList().ForEach(shard => Send(next, 0, shard));
        Send(next, 1, 0, StatisticsFlags.WantsTotal, version: 1);
        Send(late, 0, 3, StatisticsFlags.WantsTotal, version: 1);
        Assert.Equal(Expected(0, backward: false).Values, Doubles(Assert.Single(late.Posted).Payload));
        Assert.Empty(next.Posted);
        Enumerable.Range(1, 4).ToList().ForEach(shard => Send(late, 1, shard, version: 1));
        Assert.Equal(Expected(1, backward: false).Values, Doubles(Assert.Single(next.Posted).Payload));
    }

    [Fact]
    public void A_frame_that_was_under_way_while_two_steps_went_by_changes_nothing()
    {
        var channel = new RecordingChannel();
        var header = Header(0, TreeNode.OfLeaf(0), 0, StatisticsFlags.WantsTotal);
        var sums = _board.Reserve(header, 0, out _)!;
        Send(channel, 2, 1, version: 2);
        _board.Complete(channel, header, sums);
        Enumerable.Range(0, 5).ToList().ForEach(shard => Send(channel, 2, shard, shard == 4 ? StatisticsFlags.WantsTotal : (byte)0, version: 2));
        Assert.Equal(Expected(2, backward: false).Values, Doubles(Assert.Single(channel.Posted).Payload));
    }

    [Fact]
    public void A_worker_that_connected_anew_is_answered_on_its_new_connection()
    {
        var (old, renewed) = (new RecordingChannel(), new RecordingChannel());
        Send(old, 0, 0, StatisticsFlags.WantsTotal);
        Send(renewed, 0, 0, StatisticsFlags.WantsTotal);
        Enumerable.Range(1, 4).ToList().ForEach(shard => Send(new RecordingChannel(), 0, shard));
        Assert.Single(renewed.Posted);
        Send(renewed, 0, 2, StatisticsFlags.WantsTotal);
        Assert.Equal(2, renewed.Posted.Count);
        Assert.Equal(renewed.Posted[0].Payload, renewed.Posted[1].Payload);
    }

    [Fact]
    public void A_worker_that_asks_twice_on_one_connection_is_answered_once()
    {
        var channel = new RecordingChannel();
        Send(channel, 0, 0, StatisticsFlags.WantsTotal);
        Send(channel, 0, 0, StatisticsFlags.WantsTotal);
        Enumerable.Range(1, 4).ToList().ForEach(shard => Send(new RecordingChannel(), 0, shard));
        Assert.Single(channel.Posted);
    }

    [Fact]
    public void Running_statistics_are_the_moments_of_all_rows()
    {
        foreach (var layer in (int[])[0, 1])
        {
            Enumerable.Range(0, 5).ToList().ForEach(shard => Send(new RecordingChannel(), 0, shard, layer: layer));
        }

        var running = new float[_plan.Model.Buffers.Length];
        _plan.Model.Buffers.Slots.ToList().ForEach(slot => running.AsSpan(slot.Offset, slot.Shape.Elements).Fill(slot.Start));
        _board.UpdateRunning(0, running);
        foreach (var slot in _plan.Model.BatchNorms)
        {
            for (var c = 0; c < slot.Channels; c++)
            {
                var values = Enumerable.Range(0, 5).SelectMany(shard => Rows(0, shard, slot.Channels).Select(row => row[c])).ToArray();
                var mean = values.Average();
                var variance = values.Sum(value => (value - mean) * (value - mean)) / (values.Length - 1);
                Assert.Equal(0.1 * mean, running[slot.MeanOffset + c], 1e-5 * Math.Abs(mean));
                Assert.Equal(0.9 + (0.1 * variance), running[slot.VarianceOffset + c], 1e-5);
            }
        }
    }

    [Fact]
    public void What_workers_of_this_host_show_counts_like_what_they_send()
    {
        var (one, other) = Met();
        Assert.False(_board.Covers(1, TreeNode.OfLeaf(0)));
        Show(one, 1, [0, 1, 2], layer: 0);
        Assert.False(_board.Covers(1, TreeNode.OfLeaf(0)));
        Show(one, 1, [0, 1, 2], layer: 1);
        Assert.True(_board.Covers(1, TreeNode.OfLeaf(0)));
        Assert.False(_board.Covers(1, TreeNode.OfLeaf(3)));
        Assert.NotNull(_board.Missing(1));
        Show(other, 1, [3, 4], layer: 0);
        Show(other, 1, [3, 4], layer: 1);
        Assert.True(_board.Covers(1, TreeNode.OfLeaf(3)));
        Assert.Null(_board.Missing(1));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Who_asks_is_answered_with_what_others_show(bool near)
    {
        var (one, other) = Met();
        Show(one, 1, [0, 1], layer: 0, backward: true);
        Show(other, 1, [2, 3], layer: 0, backward: true);
        var late = new RecordingChannel { IsNear = near };
        Send(late, 1, 4, StatisticsFlags.WantsTotal | StatisticsFlags.Backward, version: 1);
        Assert.Equal(Expected(1, backward: true).Values, Doubles(Assert.Single(late.Posted).Payload));
    }

    [Fact]
    public void Whoever_shows_something_after_somebody_asked_in_vain_sees_it()
    {
        var (one, other) = Met();
        Show(one, 1, [0, 1, 2], layer: 0);
        Assert.False(Show(one, 1, [0, 1, 2], layer: 1).IsWanted);
        var far = new RecordingChannel();
        Send(far, 1, 4, StatisticsFlags.WantsTotal, version: 1);
        Assert.Empty(far.Posted);
        Assert.True(one.Given!.IsWanted(StatisticsNotes.Entry(0, backward: false), 1));
        Assert.True(other.Given!.IsWanted(StatisticsNotes.Entry(0, backward: false), 1));
        Assert.False(other.Given!.IsWanted(StatisticsNotes.Entry(1, backward: false), 1));
        Send(other, 1, 3, version: 1);
        Assert.Equal(Expected(1, backward: false).Values, Doubles(Assert.Single(far.Posted).Payload));
    }

    [Fact]
    public void All_read_each_others_sums_while_nobody_who_waits_is_elsewhere()
    {
        Assert.False(_board.IsShared);
        var (one, _) = Met();
        Assert.True(_board.IsShared && one.Given!.Board.IsOpen);
        var far = new RecordingChannel();
        Send(far, 1, 0, version: 1);
        Assert.True(_board.IsShared);
        Send(far, 1, 0, StatisticsFlags.WantsTotal, version: 1);
        Assert.False(_board.IsShared || one.Given!.Board.IsOpen);
        _board.Forget(far);
        Assert.True(_board.IsShared);
        _board.Forget(one);
        Assert.False(_board.IsShared);
    }

    [Fact]
    public void Everybody_moves_when_all_seats_were_given_and_what_was_shown_before_still_counts()
    {
        var (one, other) = Met();
        var first = one.Given!.Board;
        Show(one, 1, [0, 1, 2], layer: 0);
        Show(one, 1, [0, 1, 2], layer: 1);
        while (first.Taken < first.Seats)
        {
            var visitor = new RecordingChannel { IsNear = true };
            Send(visitor, 1, 0, StatisticsFlags.WantsTotal, version: 1);
            _board.Forget(visitor);
        }

        Assert.Same(first, other.Given!.Board);
        Send(new RecordingChannel { IsNear = true }, 1, 0, StatisticsFlags.WantsTotal, version: 1);
        Assert.NotSame(first, other.Given!.Board);
        Assert.NotEqual(one.Given!.Number, other.Given!.Number);
        Assert.True(_board.IsShared);
        Show(other, 1, [3, 4], layer: 0);
        Show(other, 1, [3, 4], layer: 1);
        Assert.True(_board.Covers(1, TreeNode.OfLeaf(4)) && _board.Covers(1, TreeNode.OfLeaf(2)));
    }

    [Fact]
    public void What_is_missing_of_a_step_is_named()
    {
        Enumerable.Range(0, 5).ToList().ForEach(shard => Send(new RecordingChannel(), 0, shard));
        Assert.Equal("the statistics of batch-norm layer 1 in step 0 are not complete", _board.Missing(0));
    }

    [Theory]
    [InlineData("layer", "batch-norm layer 2 does not exist")]
    [InlineData("negative layer", "batch-norm layer -1 does not exist")]
    [InlineData("bytes", "statistics of 24 bytes do not fit 2 channels")]
    [InlineData("ahead", "statistics of step 1 do not belong to version 0")]
    [InlineData("behind", "statistics of step -2 do not belong to version 0")]
    [InlineData("rows", "statistics of node 0/0 with 9 rows do not fit step 0")]
    [InlineData("node", "statistics of node 0/7 with 8 rows do not fit step 0")]
    public void A_frame_that_fits_nothing_is_refused(string what, string reason)
    {
        var header = Header(0, TreeNode.OfLeaf(0), 0, 0);
        header = what switch
        {
            "layer" => header with { Count = 2 },
            "negative layer" => header with { Count = -1 },
            "bytes" => header with { PayloadBytes = 24 },
            "ahead" => header with { Step = 1 },
            "behind" => header with { Step = -2 },
            "rows" => header with { Rows = 9 },
            _ => header with { Index = 7 },
        };
        Assert.Null(_board.Reserve(header, 0, out var refusal));
        Assert.Equal(reason, refusal);
    }

    private static double[] Doubles(byte[] bytes) => MemoryMarshal.Cast<byte, double>(bytes).ToArray();

    private double[][] Rows(long step, int shard, int channels)
    {
        var random = new Random((int)((step * 100) + shard));
        return [.. Enumerable.Range(0, _plan.RowsUnder(step, TreeNode.OfLeaf(shard))).Select(_ => Enumerable.Range(0, channels).Select(_ => 100 + random.NextDouble()).ToArray())];
    }

    private ColumnSums Sums(long step, int shard, int channels)
    {
        var rows = Rows(step, shard, channels);
        var sums = new ColumnSums(channels) { Rows = rows.Length };
        for (var c = 0; c < channels; c++)
        {
            var mean = rows.Average(row => row[c]);
            sums.First[c] = mean;
            sums.Second[c] = rows.Sum(row => (row[c] - mean) * (row[c] - mean));
        }

        return sums;
    }

    private FrameHeader Header(long step, TreeNode node, int layer, byte flags) => new()
    {
        Kind = FrameKind.Statistics,
        Step = step,
        Level = node.Level,
        Index = node.Index,
        Count = layer,
        Flags = flags,
        Rows = _plan.RowsUnder(step, node),
        PayloadBytes = 2 * _plan.Model.BatchNorms[layer].Channels * sizeof(double),
    };

    private void Send(RecordingChannel channel, long step, int shard, byte flags = 0, int layer = 0, long? version = null, StatisticsBoard? board = null)
    {
        board ??= _board;
        var header = Header(step, TreeNode.OfLeaf(shard), layer, flags);
        var place = board.Reserve(header, version ?? step, out var refusal);
        Assert.Null(refusal);
        Sums(step, shard, _plan.Model.BatchNorms[layer].Channels).Values.CopyTo(place!.Values, 0);
        board.Complete(channel, header, place);
    }

    /// <summary>Two workers of this host, which have asked for the totals of step 0.</summary>
    private (RecordingChannel One, RecordingChannel Other) Met()
    {
        var (one, other) = (new RecordingChannel { IsNear = true }, new RecordingChannel { IsNear = true });
        Enumerable.Range(0, 3).ToList().ForEach(shard => Send(one, 0, shard, StatisticsFlags.WantsTotal));
        Enumerable.Range(3, 2).ToList().ForEach(shard => Send(other, 0, shard, StatisticsFlags.WantsTotal));
        return (one, other);
    }

    private NeighbourSums Show(RecordingChannel worker, long step, int[] shards, int layer, bool backward = false)
    {
        var slot = _plan.Model.BatchNorms[layer];
        var gather = new TreeGather<ColumnSums>(new FixedTree(5), backward ? ColumnSums.Add : ColumnSums.CombineMoments, static _ => { });
        foreach (var shard in shards)
        {
            gather.Offer(TreeNode.OfLeaf(shard), Sums(step, shard, slot.Channels));
        }

        var neighbours = new NeighbourSums(_plan, () => worker.Given);
        Assert.True(neighbours.TryShow(step, slot, backward, [.. gather.Present()]));
        return neighbours;
    }

    private ColumnSums Expected(long step, bool backward)
    {
        var leaves = Enumerable.Range(0, 5).Select(shard => Sums(step, shard, 2)).ToArray();
        Action<ColumnSums, ColumnSums> combine = backward ? ColumnSums.Add : ColumnSums.CombineMoments;
        combine(leaves[0], leaves[1]);
        combine(leaves[2], leaves[3]);
        combine(leaves[0], leaves[2]);
        combine(leaves[0], leaves[4]);
        return leaves[0];
    }
}
