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

/// <summary>
/// Computes leaves of a step and the evaluation of shards with the parameters it holds. Knows nothing of the cluster
/// but the exchange of batch-norm statistics.
/// </summary>
internal sealed class LeafComputer
{
    // Evaluation in pieces of this many rows: bounds the activations; the sums run row by row, so it changes no bit.
    private const int EvaluationRows = 256;

    private readonly TrainingPlan _plan;
    private readonly Workspace _workspace;
    private readonly UnitActivity _activity;
    private readonly LeafBufferPool _pool;
    private readonly TreeGather<LeafBuffer> _nodes;
    private readonly Dictionary<int, ShardOrder> _orders = [];
    private readonly HashSet<int> _computed = [];
    private readonly Augmenter? _augmenter;
    private long _step = -1;

    public LeafComputer(TrainingPlan plan)
    {
        _plan = plan;
        _workspace = plan.Model.CreateWorkspace(plan.Loss, Math.Max(EvaluationRows, plan.BatchSize));
        _activity = new UnitActivity(_workspace);
        _augmenter = plan.Augmentation.Length > 0 ? new Augmenter(plan.Augmentation) : null;
        _pool = new LeafBufferPool(plan.Model.Layout.Length);
        _nodes = new TreeGather<LeafBuffer>(new FixedTree(plan.Shards), AddIntoLeft, _pool.Return);
    }

    public Span<float> Parameters => _workspace.Parameters;

    public Span<float> Buffers => _workspace.Buffers;

    /// <summary>What was computed of the current step, combined as far as the tree allows.</summary>
    public IEnumerable<(TreeNode Node, LeafBuffer Leaf)> Nodes => _nodes.Present();

    /// <summary>Forgets the leaves of the last step.</summary>
    public void BeginStep(long step)
    {
        _step = step;
        _computed.Clear();
        _nodes.Reset(shard => _plan.Schedule.LeafRows(step, shard) > 0);
    }

    /// <summary>Computes those of the shards' leaves that are not there yet. Returns rows computed.</summary>
    public int Compute(IEnumerable<int> shards, IBatchStatisticsExchange exchange)
    {
        var missing = shards.Where(shard => !_computed.Contains(shard) && _plan.Schedule.LeafRows(_step, shard) > 0).Order().ToArray();
        if (missing.Length == 0)
        {
            return 0;
        }

        var segments = new LeafSegment[missing.Length];
        var rows = 0;
        for (var i = 0; i < missing.Length; i++)
        {
            segments[i] = new LeafSegment(missing[i], rows, _plan.Schedule.LeafRows(_step, missing[i]));
            rows += segments[i].Rows;
        }

        foreach (var segment in segments)
        {
            Gather(_plan.Data.Training, OrderOf(segment.Leaf).Rows(_step), rows, segment.FirstRow);
            Augment(segment, rows);
        }

        var buffers = Array.ConvertAll(missing, _ => _pool.Rent());
        var sums = new LeafSums[missing.Length];
        try
        {
            _workspace.Train(_step, _plan.Seed, segments, Array.ConvertAll(buffers, static buffer => buffer.Gradient), sums, exchange);
        }
        catch
        {
            // An exchange that is broken off is repeated: its buffers must be there again.
            Array.ForEach(buffers, _pool.Return);
            throw;
        }

        for (var i = 0; i < missing.Length; i++)
        {
            buffers[i].LossSum = sums[i].Loss;
            buffers[i].Rows = segments[i].Rows;
            _computed.Add(missing[i]);
            _nodes.Offer(TreeNode.OfLeaf(missing[i]), buffers[i]);
        }

        return rows;
    }

    /// <summary>Validation rows of the shard, and with the last version its test rows too; the units' marks are those of <see cref="TrainingPlan.UnitRows"/>.</summary>
    public EvaluationSums Evaluate(int shard, bool withTest)
    {
        var sums = new EvaluationSums(_plan.Model.Units);
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

    private void Augment(LeafSegment leaf, int totalRows)
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
                input.Slice((leaf.FirstRow + row) * width, width), _plan.Data.InputShape, Augmenter.Stream(_plan.Seed, _step, leaf.Leaf, row));
        }
    }

    private ShardOrder OrderOf(int shard)
    {
        if (!_orders.TryGetValue(shard, out var order))
        {
            _orders.Add(shard, order = new ShardOrder(_plan.Schedule, shard));
        }

        return order;
    }

    private static void AddIntoLeft(LeafBuffer left, LeafBuffer right)
    {
        ElementWise.AddTo(left.Gradient.Span, right.Gradient.Span);
        left.LossSum += right.LossSum;
        left.Rows += right.Rows;
    }
}
