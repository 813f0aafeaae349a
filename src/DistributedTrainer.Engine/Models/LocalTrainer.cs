using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Models;

/// <summary>
/// Whole training steps on one thread: the leaves of the batch that lies in the workspace, the fixed tree, clipping, the
/// optimizer, the running statistics. The bits are those of a cluster with as many shards. A warm step allocates nothing.
/// </summary>
internal sealed class LocalTrainer
{
    // Arrays, since walking through a list behind an interface allocates.
    private readonly ParameterSlot[] _slots;
    private readonly BatchNormSlot[] _batchNorms;
    private readonly Workspace _workspace;
    private readonly Optimizer _optimizer;
    private readonly ulong _seed;
    private readonly Leaf[] _leaves;
    private readonly AlignedBuffer[] _gradients;
    private readonly LeafSums[] _sums;
    private readonly bool[] _present;
    private readonly Func<int, bool> _isPresent;
    private readonly TreeGather<Leaf> _tree;
    private readonly LocalExchange _exchange;
    private readonly AlignedBuffer[] _state;
    private readonly double[] _blockSums;
    private readonly FiniteCheck _finite;

    public LocalTrainer(Model model, Workspace workspace, Optimizer optimizer, int leaves, ulong seed)
    {
        (_slots, _batchNorms) = ([.. model.Layout.Slots], [.. model.BatchNorms]);
        (_workspace, _optimizer, _seed) = (workspace, optimizer, seed);
        _leaves = [.. Enumerable.Range(0, leaves).Select(_ => new Leaf(new AlignedBuffer(model.Layout.Length)))];
        _gradients = Array.ConvertAll(_leaves, static leaf => leaf.Gradient);
        _sums = new LeafSums[leaves];
        _present = new bool[leaves];
        _isPresent = leaf => _present[leaf];
        _tree = new TreeGather<Leaf>(new FixedTree(leaves), AddIntoLeft, static _ => { });
        _exchange = new LocalExchange(leaves);
        _state = [.. Enumerable.Range(0, optimizer.StateVectors).Select(_ => new AlignedBuffer(model.Layout.Length))];
        _blockSums = new double[GradientNorm.Blocks(model.Layout.Length)];
        _finite = new FiniteCheck(model, workspace, leaves);
    }

    /// <summary>One step on the rows that lie in the workspace.</summary>
    /// <param name="segments">The leaves that have rows.</param>
    /// <param name="settings">Step, learning rate and regularisation; rows and the scale of the gradient are set here.</param>
    /// <param name="clipNorm">The greatest norm of the mean gradient; null: any.</param>
    /// <param name="decayAll">Whether weight decay and L1 apply to every parameter.</param>
    /// <returns>Sums over the batch, before the update.</returns>
    /// <exception cref="NotFiniteNumberException">The loss or the gradient is NaN or infinite; nothing was changed.</exception>
    public LeafSums Step(ReadOnlySpan<LeafSegment> segments, OptimizerStep settings, double? clipNorm = null, bool decayAll = false)
    {
        _workspace.Train(settings.Step, _seed, segments, _gradients, _sums, _exchange);
        for (var i = 0; i < segments.Length; i++)
        {
            if (!_finite.Passes(i, _sums[i], _gradients[i]))
            {
                throw new NotFiniteNumberException(
                    $"training: step {settings.Step} is not finite: {_finite.Find(i, _sums[i], _gradients[i]).Where}. Lower the learning rate, or look at the data for extreme values.", _sums[i].Loss);
            }
        }

        var total = Sum(segments);
        Update(total, settings with { Rows = total.Sums.Rows, GradientScale = Scale(total, clipNorm) }, decayAll);
        foreach (var slot in _batchNorms)
        {
            var pooled = _exchange.Pooled[slot.Index];
            RunningStatistics.Update(slot, _workspace.Buffers, pooled.First, pooled.Second, pooled.Rows);
        }

        return total.Sums;
    }

    private Leaf Sum(ReadOnlySpan<LeafSegment> segments)
    {
        Array.Clear(_present);
        foreach (var segment in segments)
        {
            _present[segment.Leaf] = true;
        }

        _tree.Reset(_isPresent);
        for (var i = 0; i < segments.Length; i++)
        {
            _leaves[i].Sums = _sums[i];
            _tree.Offer(TreeNode.OfLeaf(segments[i].Leaf), _leaves[i]);
        }

        return _tree.TakeTotal();
    }

    private float Scale(Leaf total, double? clipNorm)
    {
        if (clipNorm is not { } maximum)
        {
            return 1;
        }

        GradientNorm.BlockSums(total.Gradient.Span, _blockSums);
        return GradientNorm.Scale(GradientNorm.Combine(_blockSums), total.Sums.Rows, maximum);
    }

    private void Update(Leaf total, in OptimizerStep settings, bool decayAll)
    {
        foreach (var slot in _slots)
        {
            var weights = _workspace.Parameters.Slice(slot.Offset, slot.Shape.Elements);
            _optimizer.Update(
                slot.Decays || decayAll ? settings : settings with { WeightDecay = 0, L1 = 0, L1Zeros = false },
                weights,
                slot.In(total.Gradient),
                _state.Length > 0 ? slot.In(_state[0]) : [],
                _state.Length > 1 ? slot.In(_state[1]) : [],
                weights);
        }
    }

    private static void AddIntoLeft(Leaf left, Leaf right)
    {
        ElementWise.AddTo(left.Gradient.Span, right.Gradient.Span);
        left.Sums = new LeafSums(left.Sums.Loss + right.Sums.Loss, left.Sums.Correct + right.Sums.Correct, left.Sums.Rows + right.Sums.Rows);
    }

    private sealed class Leaf(AlignedBuffer gradient)
    {
        public AlignedBuffer Gradient { get; } = gradient;

        public LeafSums Sums { get; set; }
    }
}
