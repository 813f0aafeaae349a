using System.Runtime.ExceptionServices;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// One pass over the leaves, or one for each thread at once. Where gradients leave before it is over, the leaves take their
/// places in the tree when it turns; the sums that the tree asks for are then made part by part, from the end of the flat vector
/// towards its beginning. Otherwise they are made when it is over, by all threads.
/// </summary>
internal sealed partial class LeafComputer
{
    // Numbers that a thread adds at least; with fewer it would take longer to wake it.
    private const int LeastAdded = 1 << 15;
    private const int AddedBlock = 4096;

    private readonly StepMeeting _meeting;

    // The sums that are to be made, in order; empty where they are made at once.
    private readonly List<(NodeGradient Left, NodeGradient Right)> _pairs = [];
    private IVersionFlow _flow = null!;

    // Whether the leaves have places for their gradients.
    private bool _rented;

    // Whether they took their places in the tree before their gradients were done.
    private bool _early;

    // Whether nothing of the step can be lent yet, so that sums are made in place, and later than the tree asks for them.
    private bool _gathersSums;

    // From here on the sums are made; those of the last time from one place to another.
    private int _summedFrom;
    private (int From, int To, int Parts) _adding;

    /// <summary>
    /// Sums what is done; then it is final in <see cref="Nodes"/>, but for loss and faults. To be called while a pass goes
    /// backwards. False: something is not finite, or the sums are made at the end.
    /// </summary>
    /// <param name="from">From here on the gradients are to be summed.</param>
    public bool TrySum(int from)
    {
        if (!_early || _meeting.Done > from)
        {
            return false;
        }

        Sum(from, alone: true);
        return true;
    }

    /// <summary>The leaves whose rows lie ready, or are chosen. They stay until something else is gathered, for an exchange that is broken off and repeated.</summary>
    private int ComputeGathered(long step, IBatchStatisticsExchange exchange, IVersionFlow flow)
    {
        if (_active == 0)
        {
            flow.Turn();
            return 0;
        }

        _work = step;
        if (!AreGathered(step))
        {
            Begin(_gather);
            _team.End();
        }

        (_flow, _rented, _early) = (flow, false, false);
        _summedFrom = _width;
        _gathersSums = _passes.Length > 1 && _pool.Codec is null && Nodes.Count == 0;
        _pairs.Clear();
        _meeting.Begin(_passes, _active, exchange, flow);
        try
        {
            if (!_meeting.Flows)
            {
                Rent();
            }

            Begin(_train);
            while (_early && !_team.IsIdle && !_meeting.IsBroken)
            {
                _gate.Until(_hasProgress);
                _meeting.Tell();
            }

            _team.End();
            _meeting.Tell();
        }
        catch (Exception cause)
        {
            _meeting.Break();
            var other = _team.EndQuietly();
            BreakOff();
            if (cause is ExchangeAbandonedException && other is not (null or ExchangeAbandonedException))
            {
                // The step thread was only told that another one had failed.
                ExceptionDispatchInfo.Throw(other);
            }

            throw;
        }

        return End();
    }

    private bool AreGathered(long step)
    {
        var gathered = true;
        for (var p = 0; p < _active; p++)
        {
            gathered &= _passes[p].IsGathered(step);
        }

        return gathered;
    }

    private void Rent()
    {
        _rented = true;
        for (var i = 0; i < _active; i++)
        {
            _passes[i].Rent(_pool);
        }
    }

    /// <summary>All passes have gone forward, and wait.</summary>
    private void Turn()
    {
        Rent();
        for (var i = 0; i < _active; i++)
        {
            _passes[i].Count();
        }

        // What is there of the step already may be lent as a whole: a sum with it needs a place of its own.
        _early = _flow.Overlaps && Nodes.Count == 0;
        for (var i = 0; i < _active; i++)
        {
            _passes[i].IsEarly = _early;
        }

        if (_early)
        {
            Offer();
        }
    }

    private int End()
    {
        var rows = 0;
        for (var p = 0; p < _active; p++)
        {
            var pass = _passes[p];
            rows += pass.Rows;
            for (var i = 0; i < pass.Segments.Length; i++)
            {
                var leaf = pass.Segments[i].Leaf;
                _computed[leaf] = true;
                if (_early)
                {
                    NodeOver(leaf).Fault |= pass.Faults[i];
                }
            }
        }

        if (!_early)
        {
            Offer();
        }

        Sum(0, alone: false);
        (_early, _gathersSums) = (false, false);
        return rows;
    }

    private void BreakOff()
    {
        _gathersSums = false;
        if (_early)
        {
            // Their sums are not whole: the leaves are computed again.
            _early = false;
            BeginStep(_step);
        }
        else if (_rented)
        {
            for (var p = 0; p < _active; p++)
            {
                foreach (var gradient in _passes[p].Gradients)
                {
                    _pool.Return(gradient);
                }
            }
        }
    }

    private void Offer()
    {
        for (var p = 0; p < _active; p++)
        {
            var pass = _passes[p];
            for (var i = 0; i < pass.Segments.Length; i++)
            {
                if (_isApart)
                {
                    _present.Add((TreeNode.OfLeaf(pass.Segments[i].Leaf), pass.Gradients[i]));
                }
                else
                {
                    _nodes.Offer(TreeNode.OfLeaf(pass.Segments[i].Leaf), pass.Gradients[i]);
                }
            }
        }
    }

    // The pool has the right one from now on, but nobody takes it before the sums are made.
    private void Combine(NodeGradient left, NodeGradient right)
    {
        if (_early || _gathersSums)
        {
            left.AddCounts(right);
            _pairs.Add((left, right));
        }
        else
        {
            left.Add(right);
        }
    }

    private void Sum(int from, bool alone)
    {
        var numbers = (long)(_summedFrom - from) * _pairs.Count;
        var threads = alone || numbers < 2 * LeastAdded ? 1 : _passes.Length;
        _adding = (from, _summedFrom, threads);
        if (threads > 1)
        {
            _team.Begin(threads - 1, _sum);
        }

        SumPart(0);
        if (threads > 1)
        {
            _team.End();
        }

        _summedFrom = from;
    }

    private void SumPart(int thread)
    {
        var (from, to, parts) = _adding;
        var blocks = (to - from + AddedBlock - 1) / AddedBlock;
        var (first, end) = (from + (PartOf(blocks, thread, parts) * AddedBlock), Math.Min(to, from + (PartOf(blocks, thread + 1, parts) * AddedBlock)));
        foreach (var (left, right) in _pairs)
        {
            left.AddPart(right, first, end);
        }
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
