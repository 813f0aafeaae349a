using CsCheck;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Reduction;

/// <summary>Gathering: whatever comes in whatever order, the sum has the bits of the tree written out by hand.</summary>
public sealed class TreeGatherTests
{
    private const string Seed = "0000KOIPe893";

    private readonly List<float[]> _released = [];

    [Fact]
    public void Any_order_of_arrival_gives_the_same_bits() =>
        Gen.Int[1, 40].SelectMany(static leaves => Gen.Shuffle(Enumerable.Range(0, leaves).ToArray())).SampleSeeded(
            order =>
            {
                var values = Values(order.Length);
                var gather = Gather(order.Length);
                foreach (var leaf in order)
                {
                    Assert.Null(gather.Total);
                    Assert.Equal(GatherResult.Accepted, gather.Offer(TreeNode.OfLeaf(leaf), [values[leaf]]));
                }

                AssertBits.Equal([ByHand(values, 0, Width(order.Length), static _ => true)!.Value], gather.Total!, "total");
            },
            seed: Seed, iter: 300);

    [Fact]
    public void Inner_nodes_duplicates_and_empty_leaves_in_any_order_give_the_same_bits()
    {
        var scenario =
            from leaves in Gen.Int[1, 20]
            from rows in Gen.Bool.Array[leaves]
            from offers in Gen.Shuffle(Nodes(leaves, rows).ToArray())
            select (leaves, rows, offers);
        scenario.Where(static s => s.rows.Any(static has => has)).SampleSeeded(
            s =>
            {
                var values = Values(s.leaves);
                var gather = Gather(s.leaves);
                gather.Reset(leaf => s.rows[leaf]);
                foreach (var node in s.offers)
                {
                    var had = gather.Has(node);
                    var sum = ByHand(values, node.FirstLeaf, 1 << node.Level, leaf => s.rows[leaf])!.Value;
                    var result = gather.Offer(node, [sum]);
                    Assert.Equal(had ? GatherResult.Duplicate : GatherResult.Accepted, result);
                    Assert.True(gather.Has(node));
                }

                AssertBits.Equal([ByHand(values, 0, Width(s.leaves), leaf => s.rows[leaf])!.Value], gather.TakeTotal(), "total");
                Assert.Empty(gather.Present());
            },
            seed: Seed, iter: 300);
    }

    [Fact]
    public void A_duplicate_changes_nothing_and_is_released()
    {
        var gather = Gather(3);
        float[] again = [100];
        gather.Offer(TreeNode.OfLeaf(0), [1]);
        Assert.Equal(GatherResult.Duplicate, gather.Offer(TreeNode.OfLeaf(0), again));
        Assert.Same(again, Assert.Single(_released));
        gather.Offer(TreeNode.OfLeaf(1), [2]);

        // Both are within 1/0 now.
        Assert.Equal(GatherResult.Duplicate, gather.Offer(TreeNode.OfLeaf(1), [100]));
        Assert.Equal(GatherResult.Duplicate, gather.Offer(new TreeNode(1, 0), [100]));
        gather.Offer(TreeNode.OfLeaf(2), [4]);
        Assert.Equal([7f], gather.TakeTotal());
    }

    [Fact]
    public void An_inner_node_supersedes_what_lies_below_it()
    {
        var gather = Gather(4);
        float[] below = [1];
        gather.Offer(TreeNode.OfLeaf(2), below);
        Assert.Equal(GatherResult.Accepted, gather.Offer(new TreeNode(1, 1), [30]));
        Assert.Same(below, Assert.Single(_released));
        Assert.Equal([(new TreeNode(1, 1), 30f)], gather.Present().Select(static present => (present.Node, present.Value[0])));
        gather.Offer(new TreeNode(1, 0), [4]);
        Assert.Equal([34f], gather.TakeTotal());
    }

    [Fact]
    public void An_empty_leaf_is_left_out_and_not_added_as_zero()
    {
        var gather = Gather(4);
        gather.Reset(static leaf => leaf is 0 or 3);
        gather.Offer(TreeNode.OfLeaf(0), [-0f]);
        gather.Offer(TreeNode.OfLeaf(3), [-0f]);
        AssertBits.Equal([-0f], gather.TakeTotal(), "−0 + −0");
    }

    [Fact]
    public void A_single_leaf_is_the_total()
    {
        var gather = Gather(1);
        gather.Offer(TreeNode.OfLeaf(0), [-0f]);
        AssertBits.Equal([-0f], gather.Total!, "total");
    }

    [Fact]
    public void A_node_without_rows_is_refused()
    {
        var gather = Gather(5);
        gather.Reset(static leaf => leaf != 4);
        foreach (var node in new[] { TreeNode.OfLeaf(4), TreeNode.OfLeaf(5), new TreeNode(1, 2), new TreeNode(4, 0), TreeNode.OfLeaf(-1) })
        {
            Assert.Contains($"node {node}", Assert.Throws<ArgumentOutOfRangeException>(() => gather.Offer(node, [1])).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_total_cannot_be_taken_while_leaves_are_missing()
    {
        var gather = Gather(2);
        gather.Offer(TreeNode.OfLeaf(1), [1]);
        Assert.Throws<InvalidOperationException>(() => gather.TakeTotal());
    }

    [Fact]
    public void Every_value_is_released_once_or_taken()
    {
        var gather = Gather(7);
        var offered = Enumerable.Range(0, 7).Select(static leaf => new float[] { leaf }).ToArray();
        for (var leaf = 0; leaf < 6; leaf++)
        {
            gather.Offer(TreeNode.OfLeaf(leaf), offered[leaf]);
        }

        gather.Reset(static _ => true);
        Assert.Equal(6, _released.Count);
        Assert.Equal(6, _released.Distinct().Count());
    }

    [Fact]
    public void The_two_halves_of_the_total_are_what_their_subtrees_sum_to()
    {
        var scenario =
            from leaves in Gen.Int[1, 20]
            from rows in Gen.Bool.Array[leaves]
            from offers in Gen.Shuffle(Nodes(leaves, rows).ToArray())
            select (leaves, rows, offers);
        scenario.Where(static s => s.rows.Any(static has => has)).SampleSeeded(
            s =>
            {
                var values = Values(s.leaves);
                var gather = Gather(s.leaves, keepHalves: true);
                gather.Reset(leaf => s.rows[leaf]);
                var whole = ByHand(values, 0, Width(s.leaves), leaf => s.rows[leaf])!.Value;
                var seen = new bool[s.leaves];
                foreach (var node in s.offers)
                {
                    var sum = ByHand(values, node.FirstLeaf, 1 << node.Level, leaf => s.rows[leaf])!.Value;
                    gather.Offer(node, [sum]);
                    for (var leaf = node.FirstLeaf; leaf < Math.Min(s.leaves, node.FirstLeaf + (1 << node.Level)); leaf++)
                    {
                        seen[leaf] = true;
                    }

                    if (Enumerable.Range(0, s.leaves).Any(leaf => s.rows[leaf] && !seen[leaf]))
                    {
                        Assert.False(gather.TryTakeHalves(out _, out _));
                        continue;
                    }

                    Assert.True(gather.TryTakeHalves(out var left, out var right));
                    AssertBits.Equal([whole], [right is null ? left![0] : left![0] + right[0]], "total");
                    Assert.False(gather.TryTakeHalves(out _, out _));
                    return;
                }
            },
            seed: Seed, iter: 300);
    }

    private TreeGather<float[]> Gather(int leaves, bool keepHalves = false) =>
        new(new FixedTree(leaves), static (left, right) => left[0] += right[0], _released.Add, keepHalves);

    // Values whose sum depends on the order.
    private static float[] Values(int leaves) => Numbers.Normal(leaves, leaves, deviation: 1000);

    private static int Width(int leaves) => 1 << new FixedTree(leaves).Height;

    private static float? ByHand(float[] values, int first, int width, Func<int, bool> hasRows)
    {
        if (width == 1)
        {
            return first < values.Length && hasRows(first) ? values[first] : null;
        }

        var (left, right) = (ByHand(values, first, width / 2, hasRows), ByHand(values, first + (width / 2), width / 2, hasRows));
        return left is null || right is null ? left ?? right : left + right;
    }

    // All nodes that have rows, the leaves twice.
    private static IEnumerable<TreeNode> Nodes(int leaves, bool[] rows)
    {
        var tree = new FixedTree(leaves);
        for (var level = 0; level <= tree.Height; level++)
        {
            for (var index = 0; index < 1 << (tree.Height - level); index++)
            {
                var node = new TreeNode(level, index);
                if (tree.Contains(node) && Enumerable.Range(node.FirstLeaf, tree.EndLeaf(node) - node.FirstLeaf).Any(leaf => rows[leaf]))
                {
                    yield return node;
                    if (level == 0)
                    {
                        yield return node;
                    }
                }
            }
        }
    }
}
