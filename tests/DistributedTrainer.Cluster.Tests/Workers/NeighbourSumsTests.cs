using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Tests.Workers;

/// <summary>Workers of one host that read each other's sums of batch norm.</summary>
public sealed class NeighbourSumsTests
{
    private static readonly TestExperiment Experiment = new()
    {
        Layers = ["linear: 2", "batch-norm", "linear: 3", "batch-norm", "linear: 3"],
        Training = "{ epochs: 2, batch-size: 40, shards: 8 }",
    };

    private readonly TrainingPlan _plan = Experiment.Plan();
    private readonly SharedBoard _board;
    private readonly NeighbourSums[] _workers;

    public NeighbourSumsTests()
    {
        _board = SharedBoard.Create(3, StatisticsNotes.Capacities(_plan));
        _board.IsOpen = true;
        _workers = [Seated(), Seated(), Seated()];
    }

    private BatchNormSlot Slot => _plan.Model.BatchNorms[1];

    [Fact]
    public void What_all_show_is_the_total_of_the_fixed_tree()
    {
        var gathers = new[] { Gather(0, 1, 2), Gather(3, 4), Gather(5, 6, 7) };
        for (var worker = 0; worker < 3; worker++)
        {
            Assert.True(Show(worker, gathers[worker]));
        }

        var expected = Gather(0, 1, 2, 3, 4, 5, 6, 7).Total!;
        for (var worker = 0; worker < 3; worker++)
        {
            _workers[worker].Collect(gathers[worker]);
            Assert.Equal((expected.Rows, 40L), (gathers[worker].Total!.Rows, expected.Rows));
            Assert.Equal(expected.Values, gathers[worker].Total!.Values);
        }
    }

    [Fact]
    public void Who_is_missing_or_shows_another_step_or_direction_is_waited_for()
    {
        var mine = Gather(0, 1, 2, 3);
        Assert.True(Show(0, mine));
        _workers[0].Collect(mine);
        Assert.Null(mine.Total);
        Assert.True(Show(1, Gather(4, 5, 6, 7), step: 1));
        _workers[0].Collect(mine);
        Assert.Null(mine.Total);
        Assert.True(Show(1, Gather(4, 5, 6, 7), backward: true));
        _workers[0].Collect(mine);
        Assert.Null(mine.Total);
        Assert.True(Show(1, Gather(4, 5, 6, 7)));
        _workers[0].Collect(mine);
        Assert.NotNull(mine.Total);
    }

    [Fact]
    public void Leaves_that_two_have_computed_count_once()
    {
        var (mine, taken) = (Gather(0, 1, 2, 3), Gather(2, 3, 4, 5, 6, 7));
        Assert.True(Show(0, mine));
        Assert.True(Show(1, Gather(2, 3)));
        Assert.True(Show(2, taken));
        _workers[0].Collect(mine);
        Assert.Equal(Gather(0, 1, 2, 3, 4, 5, 6, 7).Total!.Values, mine.Total!.Values);
    }

    [Fact]
    public void Leaves_that_lie_too_far_apart_go_by_the_server()
    {
        Assert.True(Show(0, Gather(0, 2, 4, 6)));
        Assert.False(Show(0, Gather(0, 2, 4, 6).Present().Concat([(TreeNode.OfLeaf(7), new ColumnSums(Slot.Channels) { Rows = 5 })])));
    }

    [Fact]
    public void Where_not_all_have_a_seat_or_the_board_is_of_another_course_or_run_they_go_by_the_server()
    {
        _workers[1].Course = 4;
        Assert.False(Show(1, Gather(0, 1)));
        _board.IsOpen = false;
        Assert.False(Show(0, Gather(0, 1)));
        Assert.False(new NeighbourSums(_plan, static () => null).TryShow(0, Slot, backward: false, [.. Gather(0).Present()]));
        var other = SharedBoard.Create(2, [16]);
        other.IsOpen = true;
        Assert.False(new NeighbourSums(_plan, () => new BoardSeat(other, 0)).TryShow(0, Slot, backward: false, [.. Gather(0).Present()]));
    }

    /// <summary>Who asks looks once more afterwards, who shows looks whether somebody asks: one of them sees the other.</summary>
    [Fact]
    public void Who_asks_the_server_is_seen_by_those_who_show_later()
    {
        var mine = Gather(0, 1, 2, 3);
        Assert.True(Show(0, mine));
        Assert.True(Show(1, Gather(4, 5)));
        Assert.False(_workers[1].IsWanted);
        _workers[0].GoByServer();
        Assert.True(_workers[1].IsWanted);
        Assert.False(_workers[0].IsWanted);
        Assert.True(Show(2, Gather(6, 7)));
        Assert.True(_workers[2].IsWanted);
        Assert.True(Show(2, Gather(6, 7), step: 1));
        Assert.False(_workers[2].IsWanted);
    }

    [Fact]
    public void What_fits_no_node_of_the_step_is_passed_over()
    {
        var mine = Gather(0, 1, 2, 3);
        Assert.True(Show(0, mine));
        foreach (var (node, rows) in new[] { (new TreeNode(2, 1), 19L), (new TreeNode(2, 2), 20L), (new TreeNode(9, 0), 40L), (new TreeNode(-1, 0), 5L) })
        {
            Assert.True(Show(1, [(node, new ColumnSums(Slot.Channels) { Rows = rows })]));
            _workers[0].Collect(mine);
            Assert.Null(mine.Total);
        }
    }

    private NeighbourSums Seated()
    {
        Assert.True(_board.TryTakeSeat(out var seat));
        return new NeighbourSums(_plan, () => new BoardSeat(_board, seat));
    }

    private bool Show(int worker, TreeGather<ColumnSums> own, long step = 0, bool backward = false) => Show(worker, own.Present(), step, backward);

    private bool Show(int worker, IEnumerable<(TreeNode Node, ColumnSums Value)> own, long step = 0, bool backward = false) =>
        _workers[worker].TryShow(step, Slot, backward, [.. own]);

    private TreeGather<ColumnSums> Gather(params int[] leaves)
    {
        var gather = new TreeGather<ColumnSums>(new FixedTree(8), ColumnSums.CombineMoments, static _ => { });
        foreach (var leaf in leaves)
        {
            var sums = new ColumnSums(Slot.Channels) { Rows = 5 };
            for (var i = 0; i < sums.Values.Length; i++)
            {
                sums.Values[i] = 1.0 / (1 + leaf + (10 * i));
            }

            gather.Offer(TreeNode.OfLeaf(leaf), sums);
        }

        return gather;
    }
}
