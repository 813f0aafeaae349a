using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Diagnostics;

/// <summary>
/// Watches the units of a workspace's activation layers while it evaluates rows, in batches of any size. A warm batch
/// allocates nothing.
/// </summary>
/// <param name="workspace">Whose layers are watched.</param>
public sealed class UnitActivity(Workspace workspace)
{
    private readonly Layer[] _layers = [.. (workspace ?? throw new ArgumentNullException(nameof(workspace))).Activations.Select(static tap => new Layer(tap.Slot))];

    /// <summary>Forgets all rows.</summary>
    public void Clear() => Array.ForEach(_layers, static layer => layer.Clear());

    /// <summary>Takes in the rows that the workspace has just evaluated.</summary>
    /// <param name="rows">How many.</param>
    public void Add(int rows)
    {
        for (var i = 0; i < _layers.Length; i++)
        {
            _layers[i].Add(workspace.Activations[i], rows);
        }
    }

    /// <summary>Adds the marks of the rows so far to those that are there.</summary>
    /// <param name="marks">One for each unit, see <see cref="ActivationSlot"/>.</param>
    public void MarkIn(Span<byte> marks)
    {
        foreach (var layer in _layers)
        {
            layer.MarkIn(marks.Slice(layer.Slot.FirstUnit, layer.Slot.Units));
        }
    }

    /// <summary>The layers in order, over the rows so far, of which there must be one.</summary>
    internal IReadOnlyList<ActivationStatistics> Statistics()
    {
        var marks = new byte[_layers.Sum(static layer => layer.Slot.Units)];
        MarkIn(marks);
        return [.. _layers.Select(layer => new ActivationStatistics(
            layer.Slot.Layer, layer.Slot.Function, layer.Slot.Units, layer.Slot.DeadIn(marks), layer.Slot.SaturatedIn(marks), layer.SaturatedShare))];
    }

    private sealed class Layer(ActivationSlot slot)
    {
        private readonly float[] _values = new float[slot.Units];
        private readonly float[] _slopes = new float[slot.Units];
        private long _seen;
        private long _saturated;

        public ActivationSlot Slot => slot;

        public double SaturatedShare => (double)_saturated / _seen;

        public void Clear()
        {
            Array.Clear(_values);
            Array.Clear(_slopes);
            (_seen, _saturated) = (0, 0);
        }

        public void Add(Autograd.ActivationTap tap, int rows)
        {
            _saturated += tap.Operation.AddExtremes(rows, slot.Places, _values, _slopes, ModelDiagnostics.SaturationSlope);
            _seen += (long)rows * slot.Units * slot.Places;
        }

        public void MarkIn(Span<byte> marks)
        {
            for (var unit = 0; unit < marks.Length; unit++)
            {
                // NaN is neither dead nor saturated.
                marks[unit] |= (byte)((_values[unit] == 0 ? 0 : ActivationSlot.Alive) | (_slopes[unit] < ModelDiagnostics.SaturationSlope ? 0 : ActivationSlot.Steep));
            }
        }
    }
}
