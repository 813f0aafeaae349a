using DistributedTrainer.Engine.Kernels;

namespace DistributedTrainer.Engine.Models;

/// <summary>
/// Parts of the flat parameter vector that are read where somebody else keeps them. Parts that follow one another in memory
/// too are one. A tensor is read where it lies if one part holds all of it; of those that lie in several the pieces are
/// copied. Parts may come while threads compute with those that are there.
/// </summary>
internal sealed class LentParameters
{
    // In ascending order, since partitions are lent so; a few.
    private readonly List<Part> _parts = [];
    private int _count;

    // Where the tensors begin whose pieces were copied.
    private readonly HashSet<int> _copied = [];

    /// <summary>Whether what was lent was taken back, and nothing has taken its place.</summary>
    public bool IsMissing { get; set; }

    /// <summary>Has a part be read where it lies.</summary>
    /// <param name="offset">Where it begins in the flat vector.</param>
    /// <param name="values">Its values, in memory that does not move.</param>
    public void Lend(int offset, ReadOnlySpan<float> values)
    {
        if (_count > 0 && _parts[_count - 1] is var last && last.End == offset && last.Values.AreFollowedBy(values, last.End - last.Start))
        {
            last.End = offset + values.Length;
            return;
        }

        if (_count == _parts.Count)
        {
            _parts.Add(new Part());
        }

        (_parts[_count].Start, _parts[_count].End, _parts[_count].Values) = (offset, offset + values.Length, new BorrowedFloats(values));
        Volatile.Write(ref _count, _count + 1);
    }

    /// <summary>What was lent is read no more. Not while threads compute.</summary>
    public void TakeBack()
    {
        IsMissing |= _count > 0;
        _count = 0;
        _copied.Clear();
    }

    /// <summary>A parameter that is there whole, in one part or in several.</summary>
    /// <param name="slot">Which.</param>
    /// <param name="own">The flat vector, where it is if nothing of it is lent; it receives the pieces of one that lies in several parts.</param>
    public ReadOnlySpan<float> Find(ParameterSlot slot, Span<float> own)
    {
        var (count, start, end, isCut) = (Volatile.Read(ref _count), slot.Offset, slot.Offset + slot.Shape.Elements, false);
        for (var i = 0; i < count; i++)
        {
            var part = _parts[i];
            if (start >= part.Start && end <= part.End)
            {
                return part.Values.Slice(start - part.Start, end - start);
            }

            isCut |= start < part.End && end > part.Start;
        }

        if (isCut)
        {
            CopyPieces(start, end, own, count);
        }

        return own[start..end];
    }

    private void CopyPieces(int start, int end, Span<float> own, int count)
    {
        lock (_copied)
        {
            if (!_copied.Add(start))
            {
                return;
            }

            for (var i = 0; i < count; i++)
            {
                var part = _parts[i];
                var (first, last) = (Math.Max(start, part.Start), Math.Min(end, part.End));
                if (first < last)
                {
                    part.Values.Slice(first - part.Start, last - first).CopyTo(own[first..]);
                }
            }
        }
    }

    // The end alone moves while others read: one number, written at once.
    private sealed class Part
    {
        private int _end;

        public int Start { get; set; }

        public int End
        {
            get => Volatile.Read(ref _end);
            set => Volatile.Write(ref _end, value);
        }

        public BorrowedFloats Values { get; set; }
    }
}
