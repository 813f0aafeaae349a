using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Data;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>The rows of leaves and of evaluations, on their way to the workspace.</summary>
internal sealed partial class LeafPass
{
    /// <summary>Validation rows of the shard, and with the last version its test rows too; the units' marks are those of <see cref="Planning.TrainingPlan.UnitRows"/>.</summary>
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
        subset.CopyRows(rows, input.Slice(firstRow * width, rows.Length * width));
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
