using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// One pass over the leaves. Where gradients leave before it is over, the leaves take their places in the tree when it turns;
/// the sums that the tree asks for are then made part by part, from the end of the flat vector towards its beginning.
/// </summary>
internal sealed partial class LeafComputer : IParameterFlow
{
    // The sums that are to be made, in order; empty where they are made at once.
    private readonly List<(NodeGradient Left, NodeGradient Right)> _pairs = [];

    // Leaves of the pass in which something is not finite, as far as it was looked at.
    private readonly bool[] _failed;
    private IVersionFlow _flow = null!;
    private bool _turned;

    // Whether the leaves took their places before their gradients were done.
    private bool _early;

    // From here on the sums are made, and the gradients of the leaves were judged before that.
    private int _summedFrom;
    private int _checkedFrom;

    /// <summary>
    /// Judges and sums what is done; then it is final in <see cref="Nodes"/>, but for loss and faults. To be called while a
    /// pass goes backwards. False: something is not finite, or the sums are made at the end.
    /// </summary>
    /// <param name="done">From here on the gradients are done; where an operation's parameters begin.</param>
    /// <param name="from">From here on they are to be summed; not before <paramref name="done"/>.</param>
    public bool TrySum(int done, int from)
    {
        if (!_early)
        {
            return false;
        }

        for (var i = 0; i < _segmentCount; i++)
        {
            _failed[i] = _failed[i] || !_finite.Passes(i, _values[i], done, _checkedFrom);
        }

        // What did not pass is looked for in the leaf's own numbers, which a sum would overwrite.
        if (_failed.AsSpan(0, _segmentCount).Contains(true))
        {
            return false;
        }

        _checkedFrom = done;
        Sum(from);
        return true;
    }

    void IParameterFlow.Await(int end) => _flow.Await(end);

    void IParameterFlow.Turn()
    {
        _flow.Turn();
        for (var i = 0; i < _segmentCount; i++)
        {
            _gradients[i] = _pool.Rent();
            _values[i] = _gradients[i].Values;
            (_gradients[i].LossSum, _gradients[i].Rows, _gradients[i].Fault) = (_sums[i].Loss, _segments[i].Rows, LeafFault.None);
            _failed[i] = !_finite.Passes(i, _sums[i]);
        }

        // What is there of the step already may be lent as a whole: a sum with it needs a place of its own.
        _turned = true;
        if (_flow.Overlaps && Nodes.Count == 0 && !_measures)
        {
            _early = true;
            Offer();
        }
    }

    void IParameterFlow.Done(int start) => _flow.Done(start);

    private void Begin(IVersionFlow flow)
    {
        (_flow, _turned, _early) = (flow, false, false);
        _summedFrom = _checkedFrom = _plan.Model.Layout.Length;
        _pairs.Clear();
    }

    private void End()
    {
        for (var i = 0; i < _segmentCount; i++)
        {
            var fault = FaultOf(i);
            if (_early)
            {
                NodeOver(_segments[i].Leaf).Fault |= fault;
            }
            else
            {
                _gradients[i].Fault = fault;
                if (_measures && _segments[i].Leaf == 0)
                {
                    // Before it is summed with others.
                    GradientNorms = ModelDescription.Norms(_plan.Model.Layout, _values[i].Span, _segments[i].Rows);
                }

                Compress(i);
            }

            _computed[_segments[i].Leaf] = true;
        }

        if (_early)
        {
            Sum(0);
            _early = false;
        }
        else
        {
            Offer();
        }
    }

    /// <summary>Leaves what the codec can write of a leaf's gradient, whether it travels or not.</summary>
    private void Compress(int i)
    {
        if (_residuals is not null)
        {
            _residuals.Round(_segments[i].Leaf, _step, _values[i].Span);
        }
        else
        {
            _plan.Codec?.RoundLeaf(_values[i].Span);
        }
    }

    private void BreakOff()
    {
        if (_early)
        {
            // Their sums are not whole: the leaves are computed again.
            _early = false;
            BeginStep(_step);
        }
        else if (_turned)
        {
            for (var i = 0; i < _segmentCount; i++)
            {
                _pool.Return(_gradients[i]);
            }
        }
    }

    private void Offer()
    {
        for (var i = 0; i < _segmentCount; i++)
        {
            if (_isApart)
            {
                _present.Add((TreeNode.OfLeaf(_segments[i].Leaf), _gradients[i]));
            }
            else
            {
                _nodes.Offer(TreeNode.OfLeaf(_segments[i].Leaf), _gradients[i]);
            }
        }
    }

    // The pool has the right one from now on, but nobody takes it before the pass is over.
    private void Combine(NodeGradient left, NodeGradient right)
    {
        if (_early)
        {
            left.AddCounts(right);
            _pairs.Add((left, right));
        }
        else
        {
            left.Add(right);
        }
    }

    private void Sum(int from)
    {
        foreach (var (left, right) in _pairs)
        {
            left.AddPart(right, from, _summedFrom);
        }

        _summedFrom = from;
    }

    private NodeGradient NodeOver(int leaf)
    {
        foreach (var (node, gradient) in Nodes)
        {
            if (leaf >> node.Level == node.Index)
            {
                return gradient;
            }
        }

        throw new InvalidOperationException($"leaves: leaf {leaf} has no place in the tree.");
    }
}
