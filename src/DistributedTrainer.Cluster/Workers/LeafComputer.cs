using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Data;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>What is not finite in a leaf.</summary>
/// <param name="Shard">Whose leaf.</param>
/// <param name="Found">What and where.</param>
internal sealed record LeafFinding(int Shard, NonFinite Found);

/// <summary>
/// Computes leaves of a step and the evaluation of shards with the parameters it holds, on one thread or several. Knows
/// nothing of the cluster but the exchange of batch-norm statistics. The step thread's, which does its part of the work.
/// </summary>
internal sealed partial class LeafComputer : IDisposable
{
    private TrainingPlan _plan;
    private readonly GradientPool _pool;
    private readonly TreeGather<NodeGradient> _nodes;
    private readonly List<(TreeNode Node, NodeGradient Gradient)> _present = [];
    private readonly bool[] _computed;

    // One for each thread, the step thread's first; of those the first ones have leaves.
    private readonly LeafPass[] _passes;
    private int _active;

    // Numbers of a gradient, or of what is averaged.
    private readonly int _width;

    // The shards that are divided between them.
    private readonly int[] _shards;
    private EvaluationSums?[] _evaluated = [];
    private long _step = -1;
    private bool _isApart;

    /// <param name="plan">The run.</param>
    /// <param name="residuals">What was not sent yet of the shards' gradients; null: all is.</param>
    /// <param name="threads">How many compute at once, the caller's among them.</param>
    /// <param name="name">Whose they are.</param>
    public LeafComputer(TrainingPlan plan, ShardResiduals? residuals = null, int threads = 1, string name = "leaves")
    {
        (_plan, _width) = (plan, plan.Ranges.Sum(plan.WidthOf));
        _pool = new GradientPool(plan);
        _nodes = new TreeGather<NodeGradient>(new FixedTree(plan.Shards), Combine, _pool.Return);
        _computed = new bool[plan.Shards];
        _shards = new int[plan.Shards];
        var gate = new ThreadGate();
        (_gate, _meeting) = (gate, new StepMeeting(plan, gate, Turn));
        var orders = new ShardOrder?[plan.Shards];

        // More threads than shards would never have anything to do.
        _passes = new LeafPass[Math.Clamp(threads, 1, plan.Shards)];
        for (var i = 0; i < _passes.Length; i++)
        {
            _passes[i] = new LeafPass(plan, _passes.Length, _meeting, orders, residuals, i == 0 ? null : _passes[0]);
        }

        (_gather, _train, _sum, _gatherApart, _computeApart, _evaluate) = (Gather, Train, SumPart, GatherApart, ComputeApart, Evaluate);
        _hasProgress = () => _team!.IsIdle || _meeting.IsBroken || _meeting.HasProgress;
        _team = new ThreadTeam(_passes.Length - 1, name, gate);
    }

    public Span<float> Parameters => _passes[0].Parameters;

    /// <summary>What computes with the parameters.</summary>
    public Workspace Reader => _passes[0].Workspace;

    public Span<float> Buffers => _passes[0].Buffers;

    /// <summary>Where what is averaged of the optimizer's state goes with the parameters; empty: nothing is.</summary>
    public AlignedBuffer[] State => _passes[0].Local?.CommonState ?? [];

    /// <summary>How often the learning rate was lowered before the step; of use where steps are taken here.</summary>
    public int Reductions { get; set; }

    /// <summary>What was computed of the current step, combined as far as the tree allows; valid until the next call.</summary>
    public List<(TreeNode Node, NodeGradient Gradient)> Nodes
    {
        get
        {
            if (!_isApart)
            {
                _nodes.Present(_present);
            }

            return _present;
        }
    }

    /// <summary>Of the leaves that were computed last: the one where numbers stopped being finite first in the course of the pass; null: none.</summary>
    public LeafFinding? Finding { get; private set; }

    /// <summary>Managed bytes that the other threads have allocated.</summary>
    public long Allocated => _team.Allocated;

    /// <summary>The same run in another mode.</summary>
    public void Follow(TrainingPlan plan)
    {
        _team.End();
        _plan = plan;
        Array.ForEach(_passes, pass => pass.Follow(plan));
    }

    /// <summary>Forgets the leaves of the last step.</summary>
    /// <param name="step">The next one.</param>
    /// <param name="apart">Whether its leaves stay apart, instead of being combined as far as the tree allows.</param>
    public void BeginStep(long step, bool apart = false)
    {
        DropApart();
        (_step, _isApart) = (step, apart);
        Array.Clear(_computed);
        _nodes.Reset(shard => _plan.LeafRows(step, shard) > 0);
    }

    /// <summary>Whether leaves of the current step are still to be computed.</summary>
    public bool Lacks(int[] shards, long step)
    {
        foreach (var shard in shards)
        {
            if (!_computed[shard] && _plan.LeafRows(step, shard) > 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Reads the rows of a step ahead, while there is nothing else to do. Not to be called before the current one is computed.</summary>
    public void Prepare(int[] shards, long step)
    {
        if (step < _plan.TotalSteps)
        {
            Divide(shards, step, all: true);
            Choose(step);
            _work = step;
            Begin(_plan.IsAveraged ? _gatherApart : _gather);
        }
    }

    /// <summary>Whether the rows of the step lie ready for all shards that they were prepared for.</summary>
    public bool HasRowsOf(long step)
    {
        _team.End();
        return _active > 0 && AreGathered(step);
    }

    /// <summary>Computes those of the shards' leaves that are not there yet. Returns rows computed.</summary>
    /// <param name="shards">The shards.</param>
    /// <param name="step">The step: the one that was begun, or the next, whose rows were prepared for these shards and whose version is still to come.</param>
    /// <param name="exchange">Statistics of the leaves that are computed elsewhere.</param>
    /// <param name="flow">How parameters come and gradients leave.</param>
    public int Compute(int[] shards, long step, IBatchStatisticsExchange exchange, IVersionFlow flow)
    {
        _team.End();
        foreach (var pass in _passes)
        {
            (pass.Finding, pass.Reductions) = (null, Reductions);
        }

        Finding = null;
        var rows = 0;
        try
        {
            if (_plan.IsAveraged)
            {
                Divide(shards, step, all: false);
                rows = ComputeApart(step);
            }
            else if (step != _step)
            {
                rows = ComputeGathered(step, exchange, flow);
            }
            else
            {
                Divide(shards, step, all: false);
                do
                {
                    Choose(step);
                    rows += ComputeGathered(step, exchange, flow);
                }
                while (HasMore());
                if (_plan.IsLoose && rows > 0)
                {
                    ClipNodes();
                }
            }
        }
        finally
        {
            Look();
        }

        return rows;
    }

    /// <summary>All of the shards' evaluations of the version that is held, in their order.</summary>
    /// <param name="shards">The shards.</param>
    /// <param name="withTest">Whether test rows are evaluated too.</param>
    /// <param name="into">Gets them.</param>
    public void Evaluate(int[] shards, bool withTest, List<(int Shard, EvaluationSums Sums)> into)
    {
        _team.End();
        shards.CopyTo(_shards.AsSpan());
        Divide(shards.Length);
        _evaluated = _evaluated.Length < shards.Length ? new EvaluationSums?[_plan.Shards] : _evaluated;
        (_evaluating, _withTest) = (shards.Length, withTest);
        Begin(_evaluate);
        _team.End();
        for (var i = 0; i < shards.Length; i++)
        {
            into.Add((shards[i], _evaluated[i]!));
        }
    }

    /// <summary>The evaluation of one shard.</summary>
    public EvaluationSums Evaluate(int shard, bool withTest)
    {
        _team.End();
        return _passes[0].Evaluate(shard, withTest);
    }

    /// <summary>Gives the gradients' memory back, and ends the threads.</summary>
    public void Dispose()
    {
        _team.Dispose();
        DropApart();
        _nodes.Reset(static _ => false);
        _pool.Dispose();
    }

    /// <summary>What the threads have found.</summary>
    private void Look()
    {
        foreach (var pass in _passes)
        {
            // Of several at the same place it is that of the first shard.
            if (pass.Finding is { } found
                && (Finding is null || found.Found.Order < Finding.Found.Order || (found.Found.Order == Finding.Found.Order && found.Shard < Finding.Shard)))
            {
                Finding = found;
            }
        }
    }

    /// <summary>Where each push is an update of its own, its gradient is known here as a whole; all of a step are computed at once.</summary>
    private void ClipNodes()
    {
        foreach (var (_, gradient) in _plan.ClipNorm is null ? [] : Nodes)
        {
            gradient.Clip(_plan.ClipNorm!.Value);
        }
    }

    private void DropApart()
    {
        if (_isApart)
        {
            foreach (var (_, gradient) in _present)
            {
                _pool.Return(gradient);
            }
        }

        _present.Clear();
    }

    private bool HasMore()
    {
        foreach (var pass in _passes)
        {
            if (pass.HasMore)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Divides leaves between the threads, neighbours to one: of all of the shards', or of those that are missing.</summary>
    private void Divide(int[] shards, long step, bool all)
    {
        _team.End();
        var count = 0;
        for (var shard = 0; shard < _plan.Shards; shard++)
        {
            if ((all || !_computed[shard]) && _plan.LeafRows(step, shard) > 0 && Array.IndexOf(shards, shard) >= 0)
            {
                _shards[count++] = shard;
            }
        }

        Divide(count);
    }

    private void Divide(int count)
    {
        _active = Math.Min(count, _passes.Length);
        for (var i = 0; i < _passes.Length; i++)
        {
            _passes[i].Take(_shards, PartOf(count, i, _active), PartOf(count, i + 1, _active));
        }
    }

    /// <summary>Where one of so many parts of a whole begins.</summary>
    private static int PartOf(int count, int part, int parts) => parts == 0 ? 0 : (int)((long)count * Math.Min(part, parts) / parts);

    private void Choose(long step)
    {
        foreach (var pass in _passes)
        {
            if (_plan.IsAveraged)
            {
                pass.ChooseApart();
            }
            else
            {
                pass.Choose(step);
            }
        }
    }
}
