using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>Whether a push is the one that its leaves wait for.</summary>
internal enum PushPlace
{
    /// <summary>It is.</summary>
    Next,

    /// <summary>All of it was applied before.</summary>
    Duplicate,

    /// <summary>Some of its leaves were: it cannot be taken as a whole.</summary>
    Partly,

    /// <summary>The step before it is missing.</summary>
    Ahead,
}

/// <summary>
/// Where each shard is, in modes in which they do not go from step to step together: a clock a shard, the step of its next
/// leaf. So every leaf is applied once and in order, whoever computed it. At a barrier all clocks are the same.
/// </summary>
internal sealed class LooseSteps
{
    private readonly TrainingPlan _plan;
    private readonly UpdatePolicy _policy;
    private readonly FixedTree _tree;
    private readonly long[] _clocks;
    private readonly Dictionary<long, CheckpointAsk> _asks = [];
    private readonly Dictionary<long, (double Loss, int Rows, bool LeftOut)> _open = [];

    /// <param name="plan">The run.</param>
    /// <param name="policy">How far they may be apart.</param>
    /// <param name="start">The step that all begin with.</param>
    public LooseSteps(TrainingPlan plan, UpdatePolicy policy, long start)
    {
        (_plan, _policy, _tree, _clocks) = (plan, policy, new FixedTree(plan.Shards), new long[plan.Shards]);
        Array.Fill(_clocks, start);
        for (var shard = 0; shard < _clocks.Length; shard++)
        {
            PassEmpty(shard);
        }

        (Slowest, Told, Decided) = (_clocks.Min(), start, start - 1);
    }

    /// <summary>The first step of which a leaf is missing.</summary>
    public long Slowest { get; private set; }

    /// <summary>Steps below it were told by <see cref="TryTell"/>.</summary>
    public long Told { get; private set; }

    /// <summary>Whether exactly the steps before <see cref="Slowest"/> were applied.</summary>
    public bool IsEven => Array.TrueForAll(_clocks, clock => clock == Slowest);

    /// <summary>The step of the next leaf of the one that is furthest behind among these shards.</summary>
    public long NextOf(int[] shards) => shards.Min(shard => _clocks[shard]);

    /// <summary>Whether some of these shards have a step behind them that others have not: their leaves cannot be summed.</summary>
    public bool AreApart(int[] shards, long step) =>
        Array.Exists(shards, shard => _clocks[shard] > step && _plan.Schedule.LeafRows(step, shard) > 0) && Array.Exists(shards, shard => _clocks[shard] <= step);

    /// <summary>
    /// The step that a worker may begin with as far as this partition is concerned: its next one, if all are far enough.
    /// Otherwise one before it, of which the leaves are here. Another partition may lack them: did each worker wait here
    /// until it may begin its next step, two partitions could each wait for a leaf whose worker waits for the other.
    /// Whoever goes over several partitions takes the first of what they say. Null: none yet.
    /// </summary>
    /// <param name="shards">Of the worker.</param>
    /// <param name="step">The step that it wants to begin, or one behind it.</param>
    /// <param name="next">The step of its next leaf here.</param>
    public long? Entry(int[] shards, long step, long next)
    {
        var last = next;
        for (var asked = next - 1; asked >= step; asked--)
        {
            // What is asked for goes with the pushes of its own step: nobody is told to go past it.
            last = AskOf(asked) != CheckpointAsk.None && HaveRows(shards, asked) ? asked : last;
        }

        for (var first = last; first >= step; first--)
        {
            if (MayBegin(first) && (first == next || HaveRows(shards, first)))
            {
                return first;
            }
        }

        return null;
    }

    /// <summary>Which of these shards lack their leaf of a step.</summary>
    public bool Lacks(int shard, long step) => _clocks[shard] <= step && _plan.Schedule.LeafRows(step, shard) > 0;

    /// <summary>What a push is to its leaves.</summary>
    public PushPlace Place(TreeNode node, long step)
    {
        var (before, here) = (false, false);
        for (var shard = node.FirstLeaf; shard < _tree.EndLeaf(node); shard++)
        {
            if (_plan.Schedule.LeafRows(step, shard) == 0)
            {
                continue;
            }

            if (_clocks[shard] < step)
            {
                return PushPlace.Ahead;
            }

            before |= _clocks[shard] > step;
            here |= _clocks[shard] == step;
        }

        return (before, here) switch { (true, true) => PushPlace.Partly, (false, true) => PushPlace.Next, _ => PushPlace.Duplicate };
    }

    /// <summary>
    /// As how many updates of this size what was applied so far counts, for optimizers that correct for the beginning: with
    /// one worker the step. It follows from the clocks, so that a run that goes on needs no memory of it.
    /// </summary>
    public long UpdatesBefore(TreeNode node)
    {
        var size = Math.Max(1, _tree.EndLeaf(node) - node.FirstLeaf);
        return _clocks.Sum() / size;
    }

    /// <summary>The leaves of a push are applied, or left out.</summary>
    public void Advance(TreeNode node, long step, double loss, int rows, bool leftOut)
    {
        var sum = _open.GetValueOrDefault(step);
        _open[step] = (sum.Loss + loss, sum.Rows + rows, sum.LeftOut || leftOut);
        for (var shard = node.FirstLeaf; shard < _tree.EndLeaf(node); shard++)
        {
            if (_plan.Schedule.LeafRows(step, shard) > 0)
            {
                _clocks[shard] = step + 1;
                PassEmpty(shard);
            }
        }

        Slowest = _clocks.Min();
    }

    /// <summary>The next step that is whole and was not told.</summary>
    public bool TryTell(out long step, out (double Loss, int Rows, bool LeftOut) sums)
    {
        (step, sums) = (Told, default);
        if (Told >= Slowest)
        {
            return false;
        }

        _open.Remove(step, out sums);
        Told++;
        return true;
    }

    /// <summary>Whether a worker may begin a step: as the policy says, and all together where all have to have the same.</summary>
    public bool MayBegin(long step) => _policy.MayBegin(step, Slowest) && (step <= Slowest || !(_plan.EvaluatesAt(step) || IsBeyondAsked(step)));

    /// <summary>What is asked for of the version that a step makes. It is decided before anybody begins the step, and goes with its pushes.</summary>
    public CheckpointAsk AskOf(long step) => _asks.GetValueOrDefault(step);

    /// <summary>The last step for which the lead partition has decided what is asked for.</summary>
    public long Decided { get; set; }

    /// <summary>The lead partition decides it, once; the others hear of it with pushes.</summary>
    public void Note(long step, CheckpointAsk ask)
    {
        if (ask == CheckpointAsk.None)
        {
            return;
        }

        foreach (var old in _asks.Keys.Where(old => old < Slowest - 1).ToArray())
        {
            _asks.Remove(old);
        }

        _asks[step] = AskOf(step) | ask;
    }

    // Nobody is to be beyond the version that is put aside; a worker without rows in the step before it did not push the ask.
    private bool IsBeyondAsked(long step)
    {
        foreach (var asked in _asks.Keys)
        {
            if (asked >= Slowest && asked < step)
            {
                return true;
            }
        }

        return false;
    }

    private bool HaveRows(int[] shards, long step) => Array.Exists(shards, shard => _plan.Schedule.LeafRows(step, shard) > 0);

    // Nobody pushes a leaf without rows.
    private void PassEmpty(int shard)
    {
        while (_clocks[shard] < _plan.TotalSteps && _plan.Schedule.LeafRows(_clocks[shard], shard) == 0)
        {
            _clocks[shard]++;
        }
    }
}
