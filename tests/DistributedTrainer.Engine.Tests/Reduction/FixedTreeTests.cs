using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Engine.Tests.Reduction;

/// <summary>The shape of the tree.</summary>
public sealed class FixedTreeTests
{
    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 1)]
    [InlineData(3, 2)]
    [InlineData(4, 2)]
    [InlineData(5, 3)]
    [InlineData(8, 3)]
    [InlineData(9, 4)]
    public void The_root_covers_all_leaves(int leaves, int height)
    {
        var tree = new FixedTree(leaves);
        Assert.Equal(height, tree.Height);
        Assert.Equal((0, leaves), (tree.Root.FirstLeaf, tree.EndLeaf(tree.Root)));
    }

    [Fact]
    public void Every_node_has_a_slot_of_its_own()
    {
        for (var leaves = 1; leaves <= 40; leaves++)
        {
            var tree = new FixedTree(leaves);
            var slots = AllNodes(tree).Select(tree.Slot).ToHashSet();
            Assert.Equal(tree.TableLength, slots.Count);
            Assert.Equal((0, tree.TableLength - 1), (slots.Min(), slots.Max()));
        }
    }

    [Fact]
    public void A_node_covers_what_its_children_cover()
    {
        for (var leaves = 1; leaves <= 40; leaves++)
        {
            var tree = new FixedTree(leaves);
            foreach (var node in AllNodes(tree).Where(tree.Contains))
            {
                Assert.InRange(tree.EndLeaf(node), node.FirstLeaf + 1, leaves);
                if (node.Level > 0)
                {
                    Assert.Equal(node, node.Left.Parent);
                    Assert.Equal(node, node.Right.Parent);
                    Assert.Equal(node.Right, node.Left.Sibling);
                    Assert.Equal(node.FirstLeaf, node.Left.FirstLeaf);
                    Assert.Equal(tree.EndLeaf(node), tree.Contains(node.Right) ? tree.EndLeaf(node.Right) : tree.EndLeaf(node.Left));
                }
            }
        }
    }

    [Theory]
    [InlineData(0, 5)]
    [InlineData(0, -1)]
    [InlineData(1, 3)]
    [InlineData(4, 0)]
    [InlineData(-1, 0)]
    [InlineData(0, int.MaxValue)]
    [InlineData(2, int.MaxValue)]
    public void Nodes_outside_are_not_in_the_tree(int level, int index) => Assert.False(new FixedTree(5).Contains(new TreeNode(level, index)));

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    [InlineData((1 << 29) + 1)]
    public void An_impossible_number_of_leaves_is_refused(int leaves) => Assert.Throws<ArgumentOutOfRangeException>(() => new FixedTree(leaves));

    [Fact]
    public void The_largest_tree_has_a_table() => Assert.Equal((1 << 30) - 1, new FixedTree(1 << 29).TableLength);

    private static IEnumerable<TreeNode> AllNodes(FixedTree tree) =>
        Enumerable.Range(0, tree.Height + 1).SelectMany(level => Enumerable.Range(0, 1 << (tree.Height - level)).Select(index => new TreeNode(level, index)));
}
