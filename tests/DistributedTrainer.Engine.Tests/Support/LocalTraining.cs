using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Tests.Support;

/// <summary>A whole trainer on one thread: leaves, fixed tree, clipping, optimizer, running statistics.</summary>
internal sealed class LocalTraining
{
    private readonly Model _model;
    private readonly Optimizer _optimizer;
    private readonly Workspace _workspace;
    private readonly float[][] _state;
    private readonly ulong _seed;
    private long _step;

    public LocalTraining(Model model, Loss loss, Optimizer optimizer, int maximumRows, ulong seed = 1)
    {
        (_model, _optimizer, _seed) = (model, optimizer, seed);
        _workspace = model.CreateWorkspace(loss, maximumRows);
        _state = [.. Enumerable.Range(0, optimizer.StateVectors).Select(_ => new float[model.Layout.Length])];
        model.Initialize(_workspace.Parameters, _workspace.Buffers, seed);
    }

    public Span<float> Parameters => _workspace.Parameters;

    public Span<float> Buffers => _workspace.Buffers;

    public Workspace Workspace => _workspace;

    /// <summary>λ₂, of weights alone unless <see cref="DecayBiases"/>.</summary>
    public float WeightDecay { get; init; }

    /// <summary>Whether λ₂ is of biases too.</summary>
    public bool DecayBiases { get; init; }

    /// <summary>λ₁, of weights alone.</summary>
    public float L1 { get; init; }

    /// <summary>The greatest norm of the mean gradient; none where it is not given.</summary>
    public double? ClipNorm { get; init; }

    /// <summary>One step; the batch is cut into leaves of so many rows.</summary>
    /// <returns>Mean loss over the batch, before the update.</returns>
    public double Step(ReadOnlySpan<float> x, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, int[] leafRows, float learningRate)
    {
        var rows = leafRows.Sum();
        x.CopyTo(_workspace.Input(rows));
        labels.CopyTo(_workspace.Labels(rows));
        targets.CopyTo(_workspace.Targets(rows));
        var segments = Leaves.Of(leafRows);
        var gradients = Array.ConvertAll(leafRows, _ => new AlignedBuffer(_model.Layout.Length));
        var sums = new LeafSums[leafRows.Length];
        var exchange = new LocalExchange(leafRows.Length);
        _workspace.Train(_step, _seed, segments, gradients, sums, exchange);

        var gather = new TreeGather<AlignedBuffer>(new FixedTree(leafRows.Length), static (left, right) => ElementWise.AddTo(left.Span, right.Span), static _ => { });
        for (var leaf = 0; leaf < leafRows.Length; leaf++)
        {
            gather.Offer(TreeNode.OfLeaf(leaf), gradients[leaf]);
        }

        Update(gather.TakeTotal().Span, new OptimizerStep(_step, learningRate, rows));
        foreach (var slot in _model.BatchNorms)
        {
            var pooled = exchange.Pooled[slot.Index];
            RunningStatistics.Update(slot, Buffers, pooled.First, pooled.Second, pooled.Rows);
        }

        _step++;
        return sums.Sum(static leaf => leaf.Loss) / rows;
    }

    private void Update(ReadOnlySpan<float> gradient, OptimizerStep step)
    {
        if (ClipNorm is { } maximum)
        {
            var sums = new double[GradientNorm.Blocks(gradient.Length)];
            GradientNorm.BlockSums(gradient, sums);
            step = step with { GradientScale = GradientNorm.Scale(GradientNorm.Combine(sums), step.Rows, maximum) };
        }

        foreach (var slot in _model.Layout.Slots)
        {
            var range = slot.Offset..(slot.Offset + slot.Shape.Elements);
            var what = step with { WeightDecay = slot.Decays || DecayBiases ? WeightDecay : 0, L1 = slot.Decays ? L1 : 0 };
            _optimizer.Update(what, Parameters[range], gradient[range], State(0, range), State(1, range), Parameters[range]);
        }
    }

    private Span<float> State(int index, Range range) => index < _state.Length ? _state[index].AsSpan(range) : [];
}

/// <summary>Cuts of a batch.</summary>
internal static class Leaves
{
    /// <summary>Leaves 0, 1, … of so many rows, one after the other.</summary>
    public static LeafSegment[] Of(params int[] rows)
    {
        var first = 0;
        var segments = new LeafSegment[rows.Length];
        for (var leaf = 0; leaf < rows.Length; leaf++)
        {
            segments[leaf] = new LeafSegment(leaf, first, rows[leaf]);
            first += rows[leaf];
        }

        return segments;
    }
}
