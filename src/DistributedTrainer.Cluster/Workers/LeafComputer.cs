using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Data;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>What is not finite in a leaf.</summary>
/// <param name="Shard">Whose leaf.</param>
/// <param name="Found">What and where.</param>
internal sealed record LeafFinding(int Shard, NonFinite Found);

/// <summary>
/// Computes leaves of a step and the evaluation of shards with the parameters it holds. Knows nothing of the cluster
/// but the exchange of batch-norm statistics.
/// </summary>
internal sealed partial class LeafComputer : IDisposable
{
    // Evaluation in pieces of this many rows: bounds the activations; the sums run row by row, so it changes no bit.
    private const int EvaluationRows = 256;

    private TrainingPlan _plan;
    private readonly Workspace _workspace;
    private readonly UnitActivity _activity;
    private readonly FiniteCheck _finite;
    private readonly GradientPool _pool;
    private readonly TreeGather<NodeGradient> _nodes;
    private readonly List<(TreeNode Node, NodeGradient Gradient)> _present = [];
    private readonly ShardOrder?[] _orders;
    private readonly Augmenter? _augmenter;

    // What was not sent yet of the shards' gradients; null: all is.
    private readonly ShardResiduals? _residuals;

    // One place for each leaf that may be computed at once, used again in every step.
    private readonly LeafSegment[] _segments;
    private readonly NodeGradient[] _gradients;
    private readonly AlignedBuffer[] _values;
    private readonly LeafSums[] _sums;
    private readonly bool[] _computed;

    // The leaves that are to be computed next, before it is known whether they lie in the workspace already.
    private readonly LeafSegment[] _chosen;
    private int _segmentCount;
    private bool _measures;
    private long _step = -1;
    private bool _isApart;

    // The step whose rows lie in the workspace, in the segments; −1: none.
    private long _gathered = -1;

    public LeafComputer(TrainingPlan plan, ShardResiduals? residuals = null)
    {
        (_plan, _residuals) = (plan, residuals);
        _workspace = plan.Model.CreateWorkspace(plan.Loss, Math.Max(EvaluationRows, plan.PassRows));
        _activity = new UnitActivity(_workspace);
        _finite = new FiniteCheck(plan.Model, _workspace, plan.Shards);
        _augmenter = plan.Augmentation.Length > 0 ? new Augmenter(plan.Augmentation) : null;
        _pool = new GradientPool(plan);
        _nodes = new TreeGather<NodeGradient>(new FixedTree(plan.Shards), Combine, _pool.Return);
        _orders = new ShardOrder?[plan.Shards];
        _segments = new LeafSegment[plan.Shards];
        _chosen = new LeafSegment[plan.Shards];
        _gradients = new NodeGradient[plan.Shards];
        _values = new AlignedBuffer[plan.Shards];
        _sums = new LeafSums[plan.Shards];
        _computed = new bool[plan.Shards];
        _failed = new bool[plan.Shards];
        _local = plan.IsAveraged ? new LocalCourse(plan, _workspace) : null;
    }

    public Span<float> Parameters => _workspace.Parameters;

    public Span<float> Buffers => _workspace.Buffers;

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

    /// <summary>Whether the norms of the gradient of shard 0's leaf are taken.</summary>
    public bool MeasuresGradient
    {
        get => _measures;
        set => (_measures, GradientNorms) = (value, null);
    }

    /// <summary>Norms of the mean gradient of shard 0's leaf, tensor by tensor; null: it was not computed since they were asked for.</summary>
    public double[]? GradientNorms { get; private set; }

    /// <summary>The same run in another mode.</summary>
    public void Follow(TrainingPlan plan) => _plan = plan;

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

    /// <summary>Reads the rows of a step ahead, while there is nothing else to do. Not to be called before the current one is computed.</summary>
    public void Prepare(int[] shards, long step)
    {
        if (step < _plan.TotalSteps && _local is not null)
        {
            PrepareFirst(shards, step);
        }
        else if (step < _plan.TotalSteps)
        {
            Choose(shards, step, all: true, first: 0, out var count);
            Gather(step, count);
        }
    }

    /// <summary>Whether the rows of the step lie ready for all shards that they were prepared for.</summary>
    public bool HasRowsOf(long step) => _gathered == step;

    /// <summary>Computes those of the shards' leaves that are not there yet. Returns rows computed.</summary>
    /// <param name="shards">The shards.</param>
    /// <param name="step">The step: the one that was begun, or the next, whose rows were prepared for these shards and whose version is still to come.</param>
    /// <param name="exchange">Statistics of the leaves that are computed elsewhere.</param>
    /// <param name="flow">How parameters come and gradients leave.</param>
    public int Compute(int[] shards, long step, IBatchStatisticsExchange exchange, IVersionFlow flow)
    {
        Finding = null;
        if (_local is not null)
        {
            return ComputeApart(shards, exchange);
        }

        if (step != _step)
        {
            return ComputeGathered(step, exchange, flow);
        }

        var (rows, next) = (0, 0);
        do
        {
            next = Choose(shards, step, all: false, next, out var count);
            if (!IsGathered(count))
            {
                Gather(step, count);
            }

            rows += ComputeGathered(step, exchange, flow);
        }
        while (next < _plan.Shards);
        if (_plan.IsLoose && rows > 0)
        {
            ClipNodes();
        }

        return rows;
    }

    /// <summary>Where each push is an update of its own, its gradient is known here as a whole; all of a step are computed at once.</summary>
    private void ClipNodes()
    {
        foreach (var (_, gradient) in _plan.ClipNorm is null ? [] : Nodes)
        {
            gradient.Clip(_plan.ClipNorm!.Value);
        }
    }

    /// <summary>The leaves whose rows lie ready. They stay until something else is gathered, for an exchange that is broken off and repeated.</summary>
    private int ComputeGathered(long step, IBatchStatisticsExchange exchange, IVersionFlow flow)
    {
        var segments = _segments.AsSpan(0, _segmentCount);
        if (segments.Length == 0)
        {
            flow.Turn();
            return 0;
        }

        Begin(flow);
        try
        {
            _workspace.Train(step, _plan.Seed, segments, _values, _sums, exchange, this);
        }
        catch
        {
            BreakOff();
            throw;
        }

        End();
        return segments[^1].FirstRow + segments[^1].Rows;
    }

    private LeafFault FaultOf(int i)
    {
        if (!_failed[i] && _finite.Passes(i, _values[i], 0, _checkedFrom))
        {
            return LeafFault.None;
        }

        var found = _finite.Find(i, _sums[i], _values[i], _checkedFrom);
        if (Finding is null || found.Order < Finding.Found.Order)
        {
            Finding = new LeafFinding(_segments[i].Leaf, found);
        }

        return LeafFault.NotFinite | (found.InParameters ? LeafFault.InParameters : LeafFault.None);
    }

    /// <summary>Gives the gradients' memory back.</summary>
    public void Dispose()
    {
        DropApart();
        _nodes.Reset(static _ => false);
        _pool.Dispose();
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

    /// <summary>Whether the rows of the chosen leaves lie in the workspace.</summary>
    private bool IsGathered(int count) =>
        _gathered == _step && _segmentCount == count && _chosen.AsSpan(0, count).SequenceEqual(_segments.AsSpan(0, count));

    /// <summary>
    /// The leaves to compute next, in order: of all of the shards', or of those that are missing, as many as are computed at
    /// once. Returns the shard behind the last one that was looked at.
    /// </summary>
    private int Choose(int[] shards, long step, bool all, int first, out int count)
    {
        (count, var row) = (0, 0);
        for (var shard = first; shard < _plan.Shards; shard++)
        {
            if (!IsToCompute(shards, shard, step, all))
            {
                continue;
            }

            var rows = _plan.Schedule.LeafRows(step, shard);
            if (count > 0 && row + rows > _plan.PassRows)
            {
                return shard;
            }

            _chosen[count++] = new LeafSegment(shard, row, rows);
            row += rows;
        }

        return _plan.Shards;
    }

    private bool IsToCompute(int[] shards, int shard, long step, bool all) =>
        (all || !_computed[shard]) && _plan.LeafRows(step, shard) > 0 && Array.IndexOf(shards, shard) >= 0;

    private void Gather(long step, int count)
    {
        (_segmentCount, _gathered) = (count, -1);
        var segments = _segments.AsSpan(0, count);
        if (segments.Length == 0)
        {
            return;
        }

        _chosen.AsSpan(0, count).CopyTo(segments);

        var rows = segments[^1].FirstRow + segments[^1].Rows;
        foreach (var segment in segments)
        {
            Gather(_plan.Data.Training, OrderOf(segment.Leaf).Rows(step), rows, segment.FirstRow);
            Augment(step, segment, rows);
        }

        _workspace.LookAtInput(rows);
        _gathered = step;
    }

    /// <summary>Validation rows of the shard, and with the last version its test rows too; the units' marks are those of <see cref="TrainingPlan.UnitRows"/>.</summary>
    public EvaluationSums Evaluate(int shard, bool withTest)
    {
        var sums = new EvaluationSums(_plan.Model.Units);
        _gathered = -1;
        _activity.Clear();
        Evaluate(_plan.Data.Validation, shard, sums.Values[..3]);
        if (withTest)
        {
            Evaluate(_plan.Data.Test, shard, sums.Values[3..]);
        }

        _activity.MarkIn(sums.Units);
        return sums;
    }

    private void Evaluate(Subset subset, int shard, Span<double> into)
    {
        Span<int> rows = stackalloc int[EvaluationRows];
        for (var first = shard; first < subset.Rows; first += EvaluationRows * _plan.Shards)
        {
            var count = 0;
            for (var row = first; row < subset.Rows && count < EvaluationRows; row += _plan.Shards)
            {
                rows[count++] = row;
            }

            Gather(subset, rows[..count], count, 0);
            _workspace.Evaluate(count, out var sums);
            into[0] += sums.Loss;
            into[1] += sums.Correct;
            into[2] += sums.Rows;
            if (ReferenceEquals(subset, _plan.UnitRows))
            {
                _activity.Add(count);
            }
        }
    }

    private void Gather(Subset subset, ReadOnlySpan<int> rows, int totalRows, int firstRow)
    {
        var input = _workspace.Input(totalRows);
        var width = input.Length / totalRows;
        for (var i = 0; i < rows.Length; i++)
        {
            subset.CopyRow(rows[i], input.Slice((firstRow + i) * width, width));
        }

        if (_plan.IsClassification)
        {
            var labels = _workspace.Labels(totalRows);
            for (var i = 0; i < rows.Length; i++)
            {
                labels[firstRow + i] = subset.Label(rows[i]);
            }
        }
        else
        {
            var targets = _workspace.Targets(totalRows);
            for (var i = 0; i < rows.Length; i++)
            {
                targets[firstRow + i] = subset.Target(rows[i]);
            }
        }
    }

    private void Augment(long step, LeafSegment leaf, int totalRows)
    {
        if (_augmenter is null)
        {
            return;
        }

        var input = _workspace.Input(totalRows);
        var width = input.Length / totalRows;
        for (var row = 0; row < leaf.Rows; row++)
        {
            _augmenter.Apply(
                input.Slice((leaf.FirstRow + row) * width, width), _plan.Data.InputShape, Augmenter.Stream(_plan.Seed, step, leaf.Leaf, row));
        }
    }

    private ShardOrder OrderOf(int shard) => _orders[shard] ??= new ShardOrder(_plan.Schedule, shard);
}
