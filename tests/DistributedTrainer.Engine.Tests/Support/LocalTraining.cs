using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;

namespace DistributedTrainer.Engine.Tests.Support;

/// <summary>A model with its <see cref="LocalTrainer"/>, fed batch by batch.</summary>
internal sealed class LocalTraining
{
    // Leaves that have no rows change nothing in the tree.
    private const int MaximumLeaves = 8;

    private readonly LocalTrainer _trainer;
    private long _step;

    public LocalTraining(Model model, Loss loss, Optimizer optimizer, int maximumRows, ulong seed = 1)
    {
        Workspace = model.CreateWorkspace(loss, maximumRows);
        _trainer = new LocalTrainer(model, Workspace, optimizer, MaximumLeaves, seed);
        model.Initialize(Workspace.Parameters, Workspace.Buffers, seed);
    }

    public Span<float> Parameters => Workspace.Parameters;

    public Span<float> Buffers => Workspace.Buffers;

    public Workspace Workspace { get; }

    /// <summary>λ₂, of weights alone unless <see cref="DecayBiases"/>.</summary>
    public float WeightDecay { get; init; }

    /// <summary>λ₁, of weights alone unless <see cref="DecayBiases"/>.</summary>
    public float L1 { get; init; }

    /// <summary>Whether both are of biases too.</summary>
    public bool DecayBiases { get; init; }

    /// <summary>The greatest norm of the mean gradient; none where it is not given.</summary>
    public double? ClipNorm { get; init; }

    /// <summary>One step; the batch is cut into leaves of so many rows.</summary>
    /// <returns>Mean loss over the batch, before the update.</returns>
    public double Step(ReadOnlySpan<float> x, ReadOnlySpan<int> labels, ReadOnlySpan<float> targets, int[] leafRows, float learningRate)
    {
        var rows = leafRows.Sum();
        x.CopyTo(Workspace.Input(rows));
        labels.CopyTo(Workspace.Labels(rows));
        targets.CopyTo(Workspace.Targets(rows));
        var settings = new OptimizerStep(_step++, learningRate, rows) { WeightDecay = WeightDecay, L1 = L1 };
        return _trainer.Step(Leaves.Of(leafRows), settings, ClipNorm, DecayBiases).Loss / rows;
    }
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
