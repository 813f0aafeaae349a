namespace DistributedTrainer.Engine.Reduction;

/// <summary>
/// A node of the binary tree over leaf indices: it covers the leaves [Index·2^Level, (Index+1)·2^Level) that exist.
/// Level 0 are the leaves themselves.
/// </summary>
/// <param name="Level">Height over the leaves, from 0.</param>
/// <param name="Index">Position within the level, from 0.</param>
public readonly record struct TreeNode(int Level, int Index)
{
    /// <summary>The node above.</summary>
    public TreeNode Parent => new(Level + 1, Index >> 1);

    /// <summary>The other child of the node above.</summary>
    public TreeNode Sibling => new(Level, Index ^ 1);

    /// <summary>The child with the smaller leaves; only where <see cref="Level"/> is above 0.</summary>
    public TreeNode Left => new(Level - 1, Index << 1);

    /// <summary>The child with the larger leaves; only where <see cref="Level"/> is above 0.</summary>
    public TreeNode Right => new(Level - 1, (Index << 1) | 1);

    /// <summary>The first leaf that the node covers.</summary>
    public int FirstLeaf => Index << Level;

    /// <summary>The node of one leaf.</summary>
    public static TreeNode OfLeaf(int leaf) => new(0, leaf);

    /// <inheritdoc/>
    public override string ToString() => $"{Level}/{Index}";
}

/// <summary>
/// The fixed binary tree in which everything is summed: its shape depends on the number of leaves alone, so the
/// result does not depend on who computed a leaf or when it arrived. A leaf without rows is left out of the sum,
/// not added as zero (−0 + 0 would change bits).
/// </summary>
public sealed class FixedTree
{
    /// <summary>The tree over <paramref name="leaves"/> leaves.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than one leaf, or more than 2^29.</exception>
    public FixedTree(int leaves)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(leaves, 1);

        // Beyond, the positions of nodes do not fit into 32 bits.
        ArgumentOutOfRangeException.ThrowIfGreaterThan(leaves, 1 << 29);
        Leaves = leaves;
        while (1 << Height < leaves)
        {
            Height++;
        }
    }

    /// <summary>How many leaves there are.</summary>
    public int Leaves { get; }

    /// <summary>The level of the root.</summary>
    public int Height { get; }

    /// <summary>The node that covers all leaves.</summary>
    public TreeNode Root => new(Height, 0);

    /// <summary>Whether the node lies in the tree and covers at least one leaf.</summary>
    public bool Contains(TreeNode node) =>
        node.Level >= 0 && node.Level <= Height && node.Index >= 0 && (long)node.Index << node.Level < Leaves;

    /// <summary>The leaf behind the last one that the node covers.</summary>
    public int EndLeaf(TreeNode node) => (int)Math.Min(Leaves, ((long)node.Index + 1) << node.Level);

    /// <summary>Position of a node in a table of <see cref="TableLength"/> entries, one a node.</summary>
    public int Slot(TreeNode node) => (1 << (Height - node.Level)) - 1 + node.Index;

    /// <summary>How many entries a table over all nodes has.</summary>
    public int TableLength => (2 << Height) - 1;
}
