using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Workers;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Replay;

/// <summary>
/// What the evaluations of a run said. A record has it where each push was an update of its own; whole steps are taken from
/// the experiment, so that what was said before them has to be said again.
/// </summary>
internal sealed class ReplayedJudge : IDisposable
{
    private readonly TrainingPlan _plan;
    private readonly EvaluationJudge _judge;
    private readonly TreeGather<EvaluationSums> _gather;
    private LeafComputer? _computer;
    private long _evaluated = -1;

    public ReplayedJudge(TrainingPlan plan)
    {
        (_plan, _judge) = (plan, new EvaluationJudge(plan));
        _gather = new TreeGather<EvaluationSums>(new FixedTree(plan.Shards), EvaluationSums.Add, static _ => { });
    }

    /// <summary>What follows from the evaluations so far.</summary>
    public Verdict Verdict => _judge.Verdict;

    /// <summary>Evaluates the version that the state is at, if it was evaluated and anything follows from it. Returns the next one of that kind.</summary>
    public long Evaluate(ReplayedState state)
    {
        if (_plan.Plateau is null && _plan.EarlyStopping is null)
        {
            return long.MaxValue;
        }

        if (_plan.EvaluatesAt(state.Step) && state.Step != _evaluated)
        {
            _evaluated = state.Step;
            _computer ??= new LeafComputer(_plan);
            state.Parameters.CopyTo(_computer.Parameters);
            _gather.Reset(static _ => true);
            for (var shard = 0; shard < _plan.Shards; shard++)
            {
                _gather.Offer(TreeNode.OfLeaf(shard), _computer.Evaluate(shard, _plan.EvaluatesTestAt(state.Step)));
            }

            _judge.Judge(state.Step, _gather.Total!);
        }

        var next = state.Step + 1;
        while (next < _plan.TotalSteps && !_plan.EvaluatesAt(next))
        {
            next++;
        }

        return next;
    }

    /// <summary>Frees what it computed with.</summary>
    public void Dispose() => _computer?.Dispose();
}
