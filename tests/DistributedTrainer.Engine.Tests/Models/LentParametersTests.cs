using System.Runtime.CompilerServices;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Models;

/// <summary>Tensors of which all or a part is lent.</summary>
public sealed class LentParametersTests
{
    // 6 and 4 x 3 numbers, then 3.
    private static readonly ParameterSlot[] Slots = [Slot("a", 0, 6), Slot("b", 6, 12), Slot("c", 18, 3)];
    private readonly AlignedBuffer _memory = new(21);
    private readonly float[] _own = new float[21];
    private readonly LentParameters _lent = new();

    public LentParametersTests()
    {
        Numbers.Normal(21, 1).CopyTo(_memory.Span);
        Array.Fill(_own, -1);
    }

    [Fact]
    public void A_tensor_across_the_border_of_parts_that_follow_one_another_in_memory_is_read_where_it_lies()
    {
        Lend(0, 10);
        Lend(10, 14);
        Lend(14, 21);
        foreach (var slot in Slots)
        {
            var values = _lent.Find(slot, _own);
            Assert.Equal(slot.Shape.Elements, values.Length);
            Assert.True(Unsafe.AreSame(in values[0], in _memory.Span[slot.Offset]), slot.Name);
        }

        Assert.All(_own, static value => Assert.Equal(-1, value));
    }

    [Fact]
    public void One_that_lies_in_several_places_is_put_together_once()
    {
        var elsewhere = new AlignedBuffer(11);
        _memory.Span[10..].CopyTo(elsewhere.Span);
        Lend(0, 10);
        Assert.True(Unsafe.AreSame(in _lent.Find(Slots[0], _own)[0], in _memory.Span[0]), "a is there before the rest");
        _lent.Lend(10, elsewhere.Span);
        AssertBits.Equal(_memory.Span[6..18], _lent.Find(Slots[1], _own), "b");
        Assert.True(Unsafe.AreSame(in _lent.Find(Slots[2], _own)[0], in elsewhere.Span[8]), "c lies elsewhere as a whole");
        Assert.Equal([-1f, -1, -1], _own[18..]);
        _own[7] = 99;
        Assert.Equal(99, _lent.Find(Slots[1], _own)[1]);
    }

    [Fact]
    public void What_is_copied_of_a_tensor_stays_beside_what_is_lent_of_it()
    {
        _memory.Span[..10].CopyTo(_own);
        Lend(10, 21);
        AssertBits.Equal(_memory.Span[6..18], _lent.Find(Slots[1], _own), "b");
    }

    [Fact]
    public void What_was_taken_back_is_not_read_any_more()
    {
        Lend(0, 10);
        _lent.Lend(10, new float[11]);
        _ = _lent.Find(Slots[1], _own);
        _lent.TakeBack();
        Assert.True(_lent.IsMissing);
        Array.Fill(_own, 5);
        Assert.Equal(5, _lent.Find(Slots[0], _own)[0]);
        Assert.Equal(5, _lent.Find(Slots[1], _own)[0]);

        // The next version is put together anew.
        Lend(0, 10);
        _lent.Lend(10, new float[11]);
        AssertBits.Equal([.. _memory.Span[6..10], .. new float[8]], _lent.Find(Slots[1], _own), "b of the next version");
    }

    private void Lend(int start, int end) => _lent.Lend(start, _memory.Span[start..end]);

    private static ParameterSlot Slot(string name, int offset, int length) => new(name, offset, new Shape(length), true, new InitialValue(0));
}
