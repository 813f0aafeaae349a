namespace DistributedTrainer.Engine.Tensors;

/// <summary>A part of a buffer, read as an array of some shape, row-major.</summary>
public sealed class Tensor
{
    private readonly AlignedBuffer _buffer;

    /// <summary>The elements from <paramref name="offset"/> on.</summary>
    /// <exception cref="ArgumentException">They do not fit into the buffer.</exception>
    public Tensor(AlignedBuffer buffer, int offset, Shape shape)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        if (offset < 0 || (long)offset + shape.Elements > buffer.Length)
        {
            throw new ArgumentException($"tensor: shape {shape} at offset {offset} does not fit into a buffer of {buffer.Length} elements. Take a longer buffer.", nameof(shape));
        }

        _buffer = buffer;
        Offset = offset;
        Shape = shape;
    }

    /// <summary>Where in its buffer the tensor begins.</summary>
    public int Offset { get; }

    /// <summary>Sizes of the dimensions.</summary>
    public Shape Shape { get; }

    /// <summary>All elements.</summary>
    public Span<float> Span => _buffer.Span.Slice(Offset, Shape.Elements);
}
