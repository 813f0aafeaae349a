using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Diagnostics;

/// <summary>The first number of a leaf that is NaN, infinite, or too large to be summed.</summary>
/// <param name="Order">The place in the course of a pass, from 0: what comes first is the cause of what comes later.</param>
/// <param name="Where">In words, such as "the gradient of 2.weight is infinite".</param>
/// <param name="InParameters">Whether the parameters themselves are at fault: then no other step goes better.</param>
public sealed record NonFinite(int Order, string Where, bool InParameters);

/// <summary>
/// Whether the loss and the gradient of a leaf are finite, and its gradient so small that the sum over all leaves is finite
/// too: with 2^h leaves every number is below 2^(128 − h). The moments that it gives to running statistics are judged alike.
/// So the answer depends on the leaf alone, not on who adds it to what. A warm check allocates nothing.
/// </summary>
/// <remarks>
/// A weight gradient is a product of what the layer has read and of the gradient of what it wrote, which together are much
/// smaller: where the largest of both and the number of rows bound the product, it need not be read.
/// </remarks>
public sealed class FiniteCheck
{
    private readonly Workspace _workspace;

    // In float64, where 2^128 is a number.
    private readonly double _limit;

    // Arrays, since walking through a list behind an interface allocates.
    private readonly ParameterSlot[] _slots;
    private readonly IBoundedGradient?[] _bounds;
    private readonly (IBatchMoments Moments, string Layer)[] _batchNorms;

    /// <summary>A check for the leaves of one model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="workspace">Where its leaves are computed.</param>
    /// <param name="leaves">Leaves of a step, wherever they are computed.</param>
    public FiniteCheck(Model model, Workspace workspace, int leaves)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(workspace);
        _workspace = workspace;
        _limit = Math.ScaleB(1, 128 - new FixedTree(leaves).Height);
        _slots = [.. model.Layout.Slots];
        _bounds = [.. _slots.Select(slot => workspace.Graph.BoundedGradients.FirstOrDefault(bounded => bounded.Slot == slot))];
        _batchNorms = [.. workspace.Graph.BatchMoments.Select(moments => (moments, model.Buffers.Slots.First(buffer => buffer.Offset == moments.Slot.MeanOffset).Name))];
    }

    /// <summary>Whether all numbers are finite.</summary>
    public static bool IsFinite(ReadOnlySpan<float> numbers) => float.IsFinite(Magnitude.Largest(numbers));

    /// <summary>Whether a leaf of the pass that the workspace has just made may be summed.</summary>
    /// <param name="index">The leaf's place in the pass.</param>
    /// <param name="sums">Its loss.</param>
    /// <param name="gradient">Its gradient.</param>
    public bool Passes(int index, in LeafSums sums, AlignedBuffer gradient) =>
        Passes(index, sums) && Passes(index, gradient, 0, int.MaxValue);

    /// <summary>What can be said after the pass forward: of the loss, and of what goes to running statistics.</summary>
    /// <inheritdoc cref="Passes(int, in LeafSums, AlignedBuffer)"/>
    public bool Passes(int index, in LeafSums sums)
    {
        if (!double.IsFinite(sums.Loss))
        {
            return false;
        }

        foreach (var (moments, _) in _batchNorms)
        {
            if (!moments.AreSmall(index))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A part of its gradient, as soon as that is done: of the parameters that begin in [start, end).</summary>
    /// <param name="index">The leaf's place in the pass.</param>
    /// <param name="gradient">Its gradient.</param>
    /// <param name="start">Place in the flat vector.</param>
    /// <param name="end">Place in the flat vector.</param>
    public bool Passes(int index, AlignedBuffer gradient, int start, int end)
    {
        var leaf = _workspace.Pass.Segments[index];
        for (var i = 0; i < _slots.Length; i++)
        {
            var slot = _slots[i];
            if (slot.Offset >= start && slot.Offset < end && !IsBounded(_bounds[i], leaf) && !IsSmall(slot.In(gradient)))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>What is wrong with a leaf that does not pass.</summary>
    /// <param name="index">The leaf's place in the pass.</param>
    /// <param name="sums">Its loss.</param>
    /// <param name="gradient">Its gradient.</param>
    /// <param name="end">From here on the gradient has passed, and may be another's by now. Default: none of it.</param>
    public NonFinite Find(int index, in LeafSums sums, AlignedBuffer gradient, int end = int.MaxValue)
    {
        var leaf = _workspace.Pass.Segments[index];
        foreach (var slot in _slots)
        {
            if (Wrong(_workspace.Parameter(slot), double.PositiveInfinity) is { } wrong)
            {
                return new NonFinite(0, $"the parameter {slot.Name} is {wrong}", InParameters: true);
            }
        }

        if (Wrong(_workspace.InputOf(leaf), double.PositiveInfinity) is { } input)
        {
            return new NonFinite(1, $"the input is {input}", InParameters: false);
        }

        var order = 2;
        foreach (var (layer, output) in _workspace.Graph.Outputs)
        {
            if (Wrong(_workspace.ValueOf(output, leaf), double.PositiveInfinity) is { } wrong)
            {
                return new NonFinite(order, $"the output of {layer} is {wrong}", InParameters: false);
            }

            order++;
        }

        foreach (var (moments, layer) in _batchNorms)
        {
            if (!moments.AreSmall(index))
            {
                return new NonFinite(order, $"the input of batch-norm is too large for {layer}", InParameters: false);
            }

            order++;
        }

        if (!double.IsFinite(sums.Loss))
        {
            return new NonFinite(order, $"the loss is {(double.IsNaN(sums.Loss) ? "NaN" : "infinite")}", InParameters: false);
        }

        // Backwards: the last layer's gradient comes first.
        for (var i = _slots.Length - 1; i >= 0; i--)
        {
            order++;
            if (_slots[i].Offset < end && Wrong(_slots[i].In(gradient), _limit) is { } wrong)
            {
                return new NonFinite(order, $"the gradient of {_slots[i].Name} is {wrong}", InParameters: false);
            }
        }

        throw new InvalidOperationException("finite check: nothing is wrong with this leaf.");
    }

    /// <summary>What is wrong with the parameters that a leaf has come to by itself: they are summed as gradients are. Null: nothing.</summary>
    public NonFinite? FindInParameters()
    {
        foreach (var slot in _slots)
        {
            if (Wrong(_workspace.Parameter(slot), _limit) is { } wrong)
            {
                return new NonFinite(0, $"the parameter {slot.Name} is {wrong}", InParameters: false);
            }
        }

        return null;
    }

    private static string? Wrong(ReadOnlySpan<float> numbers, double limit)
    {
        var largest = Magnitude.Largest(numbers);
        return largest < limit ? null : float.IsNaN(largest) ? "NaN" : float.IsInfinity(largest) ? "infinite" : $"as large as {largest:G3}";
    }

    private bool IsSmall(ReadOnlySpan<float> gradient) => Magnitude.Largest(gradient) < _limit;

    // Half the limit leaves room for the rounding of a chain of any length that occurs; a NaN is no bound.
    private bool IsBounded(IBoundedGradient? bounded, LeafSegment leaf) =>
        bounded is not null && bounded.NumbersToRead(leaf) < bounded.Slot.Shape.Elements && bounded.Bound(_workspace.Pass, leaf) < 0.5 * _limit;
}
