using System.Diagnostics.CodeAnalysis;

namespace DistributedTrainer.Engine.Reduction;

/// <summary>What became of a value offered to a <see cref="TreeGather{T}"/>.</summary>
public enum GatherResult
{
    /// <summary>Taken.</summary>
    Accepted,

    /// <summary>The node, or one above it, was there already: nothing changed.</summary>
    Duplicate,
}

/// <summary>
/// Collects values for the nodes of a <see cref="FixedTree"/> in any order and combines siblings as soon as both
/// are there, always left with right. A value for an inner node supersedes whatever lies below it: it has the same
/// bits, since everybody combines in the same tree.
/// </summary>
/// <typeparam name="T">The value: a gradient buffer, moments, a loss sum.</typeparam>
public sealed class TreeGather<T>
    where T : class
{
    private readonly FixedTree _tree;
    private readonly Action<T, T> _combineIntoLeft;
    private readonly Action<T> _release;
    private readonly T?[] _values;
    private readonly bool[] _empty;
    private readonly bool _keepHalves;

    /// <summary>An empty gathering, in which every leaf has rows.</summary>
    /// <param name="tree">Which values there are to be.</param>
    /// <param name="combineIntoLeft">Adds the second argument (the right sibling) into the first.</param>
    /// <param name="release">Called for each value that is no longer needed.</param>
    /// <param name="keepHalves">
    /// Whether the two halves of the total are left apart, for a caller that adds them while it reads them:
    /// <see cref="TryTakeHalves"/>. Default false.
    /// </param>
    public TreeGather(FixedTree tree, Action<T, T> combineIntoLeft, Action<T> release, bool keepHalves = false)
    {
        _tree = tree;
        _combineIntoLeft = combineIntoLeft;
        _release = release;
        _keepHalves = keepHalves;
        _values = new T?[tree.TableLength];
        _empty = new bool[tree.TableLength];
        Reset(static _ => true);
    }

    /// <summary>The tree.</summary>
    public FixedTree Tree => _tree;

    /// <summary>The combined value of all leaves, or null while some are missing.</summary>
    public T? Total => _values[_tree.Slot(_tree.Root)];

    /// <summary>Releases everything and says which leaves have rows in the next gathering.</summary>
    public void Reset(Func<int, bool> leafHasRows)
    {
        for (var slot = 0; slot < _values.Length; slot++)
        {
            Drop(slot);
        }

        for (var level = 0; level <= _tree.Height; level++)
        {
            for (var index = 0; index < 1 << (_tree.Height - level); index++)
            {
                var node = new TreeNode(level, index);
                _empty[_tree.Slot(node)] = !_tree.Contains(node)
                    || (level == 0 ? !leafHasRows(index) : _empty[_tree.Slot(node.Left)] && _empty[_tree.Slot(node.Right)]);
            }
        }
    }

    /// <summary>Takes the total out, so that the caller releases it.</summary>
    /// <exception cref="InvalidOperationException">Leaves are missing.</exception>
    public T TakeTotal()
    {
        var slot = _tree.Slot(_tree.Root);
        var total = _values[slot] ?? throw new InvalidOperationException("tree: the total was asked for while leaves are missing.");
        _values[slot] = null;
        return total;
    }

    /// <summary>Takes the total out in two halves, if all is there; the caller releases them. The total is left + right.</summary>
    /// <param name="left">The sum of the left half, or of everything where the right half has no rows or was combined with it.</param>
    /// <param name="right">The sum of the right half, or null.</param>
    public bool TryTakeHalves([NotNullWhen(true)] out T? left, out T? right)
    {
        (left, right) = (Take(_tree.Root), null);
        if (left is null && _tree.Height > 0 && _values[_tree.Slot(_tree.Root.Left)] is not null && _values[_tree.Slot(_tree.Root.Right)] is not null)
        {
            (left, right) = (Take(_tree.Root.Left), Take(_tree.Root.Right));
        }

        return left is not null;
    }

    /// <summary>Whether the node's value, or one that includes it, is here.</summary>
    public bool Has(TreeNode node)
    {
        for (var at = node; at.Level <= _tree.Height; at = at.Parent)
        {
            if (_values[_tree.Slot(at)] is not null)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Offers a node's value; on <see cref="GatherResult.Duplicate"/> the value is released.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The node is not in the tree or has no rows.</exception>
    public GatherResult Offer(TreeNode node, T value)
    {
        if (!_tree.Contains(node) || _empty[_tree.Slot(node)])
        {
            throw new ArgumentOutOfRangeException(nameof(node), $"tree: node {node} has no rows in a tree of {_tree.Leaves} leaves.");
        }

        if (Has(node))
        {
            _release(value);
            return GatherResult.Duplicate;
        }

        DropBelow(node);
        _values[_tree.Slot(node)] = value;
        Rise(node);
        return GatherResult.Accepted;
    }

    /// <summary>The values that are here, each at the highest node it could be combined to, in leaf order.</summary>
    public IReadOnlyList<(TreeNode Node, T Value)> Present()
    {
        var present = new List<(TreeNode Node, T Value)>();
        Present(present);
        return present;
    }

    /// <summary>The same into a list that is used again.</summary>
    public void Present(List<(TreeNode Node, T Value)> into)
    {
        ArgumentNullException.ThrowIfNull(into);
        into.Clear();
        Present(_tree.Root, into);
    }

    private void Present(TreeNode node, List<(TreeNode Node, T Value)> into)
    {
        if (_values[_tree.Slot(node)] is { } value)
        {
            into.Add((node, value));
        }
        else if (node.Level > 0)
        {
            Present(node.Left, into);
            Present(node.Right, into);
        }
    }

    private T? Take(TreeNode node)
    {
        var slot = _tree.Slot(node);
        var value = _values[slot];
        _values[slot] = null;
        return value;
    }

    private void Rise(TreeNode node)
    {
        while (node.Level < _tree.Height)
        {
            var own = _tree.Slot(node);
            var other = _tree.Slot(node.Sibling);
            var above = _tree.Slot(node.Parent);
            if (_empty[other])
            {
                (_values[above], _values[own]) = (_values[own], null);
            }
            else if (_values[other] is not null && !(_keepHalves && node.Level + 1 == _tree.Height))
            {
                var (left, right) = (node.Index & 1) == 0 ? (own, other) : (other, own);
                _combineIntoLeft(_values[left]!, _values[right]!);
                (_values[above], _values[left]) = (_values[left], null);
                Drop(right);
            }
            else
            {
                return;
            }

            node = node.Parent;
        }
    }

    private void DropBelow(TreeNode node)
    {
        if (node.Level > 0)
        {
            Drop(_tree.Slot(node.Left));
            DropBelow(node.Left);
            Drop(_tree.Slot(node.Right));
            DropBelow(node.Right);
        }
    }

    private void Drop(int slot)
    {
        if (_values[slot] is { } value)
        {
            _values[slot] = null;
            _release(value);
        }
    }
}
