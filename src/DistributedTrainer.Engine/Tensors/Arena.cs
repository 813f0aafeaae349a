namespace DistributedTrainer.Engine.Tensors;

/// <summary>
/// All the room that a computation needs, laid out once: first everything is reserved, then one buffer is taken.
/// Each tensor begins on a 64-byte border.
/// </summary>
public sealed class Arena
{
    private const int Step = 16;
    private readonly List<(int Offset, Shape Shape)> _places = [];
    private AlignedBuffer? _buffer;

    /// <summary>Elements reserved so far, with the gaps between tensors.</summary>
    public int Length { get; private set; }

    /// <summary>Reserves room for a tensor; the result is its number for <see cref="Tensor"/>.</summary>
    /// <exception cref="InvalidOperationException">The arena is laid out already.</exception>
    public int Reserve(Shape shape)
    {
        if (_buffer is not null)
        {
            throw new InvalidOperationException($"arena: room for {shape} was asked for after the layout was fixed. Reserve everything before the first use.");
        }

        _places.Add((Length, shape));
        Length = checked(Length + (shape.Elements + Step - 1) / Step * Step);
        return _places.Count - 1;
    }

    /// <summary>The tensor of a reservation; the first call fixes the layout.</summary>
    public Tensor Tensor(int reservation)
    {
        _buffer ??= new AlignedBuffer(Length);
        var (offset, shape) = _places[reservation];
        return new Tensor(_buffer, offset, shape);
    }
}
