using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// The course of one shard that takes steps by itself: from the common parameters and the common state of the optimizer to
/// what will be averaged. One shard after the other, in the same memory; between them the workspace has the common
/// parameters, which all threads' courses have once. A warm step allocates nothing. One thread's.
/// </summary>
internal sealed class LocalCourse
{
    private readonly TrainingPlan _plan;
    private readonly Workspace _workspace;
    private readonly ParameterSlot[] _slots;
    private readonly PartitionRange[] _ranges;
    private readonly AlignedBuffer _common;
    private readonly AlignedBuffer[] _state;
    private readonly double[] _squares;

    // Whether another thread's workspace is where they come to.
    private readonly bool _begins;

    /// <param name="plan">The run.</param>
    /// <param name="workspace">Where the thread computes.</param>
    /// <param name="first">The course of the step thread, whose workspace the common parameters come to; null: this is it.</param>
    public LocalCourse(TrainingPlan plan, Workspace workspace, LocalCourse? first = null)
    {
        (_plan, _workspace, _begins) = (plan, workspace, first is null);
        var length = plan.Model.Layout.Length;
        (_slots, _ranges) = ([.. plan.Model.Layout.Slots], [.. plan.Ranges]);
        _common = first?._common ?? new AlignedBuffer(length);
        Gradients = [new AlignedBuffer(length)];
        _state = Vectors();
        CommonState = first?.CommonState ?? Vectors();
        _squares = new double[plan.ClipNorm is null ? 0 : GradientNorm.Blocks(length)];

        AlignedBuffer[] Vectors() => [.. Enumerable.Range(0, plan.AveragedVectors).Select(_ => new AlignedBuffer(length))];
    }

    /// <summary>The optimizer's state at the version that lies in the workspace; whoever has fetched it fills it.</summary>
    public AlignedBuffer[] CommonState { get; }

    /// <summary>Where the gradient of a leaf goes: one.</summary>
    public AlignedBuffer[] Gradients { get; }

    /// <summary>The workspace of the step thread has the common parameters.</summary>
    public void BeginRound() => _workspace.Parameters.CopyTo(_common.Span);

    /// <summary>A shard begins where all do.</summary>
    public void Begin()
    {
        if (!_begins)
        {
            End();
        }

        for (var k = 0; k < _state.Length; k++)
        {
            CommonState[k].Span.CopyTo(_state[k].Span);
        }
    }

    /// <summary>The workspace has the common parameters again.</summary>
    public void End() => _common.Span.CopyTo(_workspace.Parameters);

    /// <summary>Takes a step with the gradient of a leaf.</summary>
    /// <param name="step">The step.</param>
    /// <param name="reductions">How often the learning rate was lowered.</param>
    /// <param name="rows">Rows of the leaf.</param>
    public void Step(long step, int reductions, int rows)
    {
        var gradient = Gradients[0].Span;
        var scale = 1f;
        if (_plan.ClipNorm is { } maximum)
        {
            GradientNorm.BlockSums(gradient, _squares);
            scale = GradientNorm.Scale(GradientNorm.Combine(_squares), rows, maximum);
        }

        var (plain, decaying) = (_plan.StepOf(step, reductions, rows, decays: false, scale), _plan.StepOf(step, reductions, rows, decays: true, scale));
        foreach (var slot in _slots)
        {
            var (start, length) = (slot.Offset, slot.Shape.Elements);
            var parameters = _workspace.Parameters.Slice(start, length);
            _plan.Optimizer.Update(
                slot.Decays || _plan.Experiment.Optimizer.DecayBiases ? decaying : plain,
                parameters, gradient.Slice(start, length), State(0, start, length), State(1, start, length), parameters);
        }
    }

    /// <summary>What the shard has come to, partition by partition as it is pushed.</summary>
    /// <param name="weight">The shard's share of the rows.</param>
    /// <param name="into">Overwritten.</param>
    public void Write(float weight, Span<float> into)
    {
        foreach (var range in _ranges)
        {
            into = Weighted(into, _workspace.Parameters.Slice(range.Offset, range.Length), weight);
            foreach (var state in _state)
            {
                into = Weighted(into, state.Span.Slice(range.Offset, range.Length), weight);
            }
        }
    }

    private static Span<float> Weighted(Span<float> into, ReadOnlySpan<float> values, float weight)
    {
        ElementWise.Scale(into[..values.Length], values, weight);
        return into[values.Length..];
    }

    private Span<float> State(int index, int start, int length) => index < _state.Length ? _state[index].Span.Slice(start, length) : [];
}
