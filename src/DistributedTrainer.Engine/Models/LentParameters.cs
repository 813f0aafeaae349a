using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Models;

/// <summary>
/// Parts of the flat parameter vector that are read where somebody else keeps them. A tensor is found here if one part
/// holds all of it; of those that lie in several parts the pieces are copied.
/// </summary>
internal sealed class LentParameters(ParameterLayout layout)
{
    // In ascending order, since partitions are lent so; a few.
    private readonly List<(int Start, int End, BorrowedFloats Values)> _parts = [];

    /// <summary>Whether what was lent was taken back, and nothing has taken its place.</summary>
    public bool IsMissing { get; set; }

    /// <summary>Has a part be read where it lies.</summary>
    /// <param name="offset">Where it begins in the flat vector.</param>
    /// <param name="values">Its values, in memory that does not move.</param>
    /// <param name="own">The flat vector, which receives the pieces of tensors that only begin or end in the part.</param>
    public void Lend(int offset, ReadOnlySpan<float> values, Span<float> own)
    {
        var end = offset + values.Length;
        foreach (var slot in layout.Slots)
        {
            var (start, stop) = (Math.Max(slot.Offset, offset), Math.Min(slot.Offset + slot.Shape.Elements, end));
            if (start < stop && stop - start < slot.Shape.Elements)
            {
                values[(start - offset)..(stop - offset)].CopyTo(own[start..]);
            }
        }

        _parts.Add((offset, end, new BorrowedFloats(values)));
    }

    /// <summary>What was lent is read no more.</summary>
    public void TakeBack()
    {
        IsMissing |= _parts.Count > 0;
        _parts.Clear();
    }

    /// <summary>A parameter that a part holds all of.</summary>
    public bool TryFind(ParameterSlot slot, out ReadOnlySpan<float> values)
    {
        var length = slot.Shape.Elements;
        foreach (var (start, end, part) in _parts)
        {
            if (slot.Offset >= start && slot.Offset + length <= end)
            {
                values = part.Span.Slice(slot.Offset - start, length);
                return true;
            }
        }

        values = default;
        return false;
    }
}
