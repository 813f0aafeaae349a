using System.Globalization;

namespace DistributedTrainer.Engine.Tensors;

/// <summary>The sizes of up to four dimensions, outermost first; elements lie row-major.</summary>
public readonly struct Shape : IEquatable<Shape>
{
    /// <summary>The most dimensions that a shape has.</summary>
    public const int MaximumRank = 4;

    private readonly int _size0;
    private readonly int _size1;
    private readonly int _size2;
    private readonly int _size3;

    /// <summary>A shape of these sizes; none at all is one single number.</summary>
    /// <exception cref="ArgumentException">More than four dimensions, or a negative size.</exception>
    public Shape(params ReadOnlySpan<int> sizes)
    {
        if (sizes.Length > MaximumRank)
        {
            throw new ArgumentException($"shape: {sizes.Length} dimensions were given, at most {MaximumRank} are possible. Merge some of them.", nameof(sizes));
        }

        foreach (var size in sizes)
        {
            if (size < 0)
            {
                throw new ArgumentException($"shape: a dimension has size {size}, it must be 0 or more. Check how the sizes were computed.", nameof(sizes));
            }
        }

        Rank = sizes.Length;
        _size0 = sizes.Length > 0 ? sizes[0] : 0;
        _size1 = sizes.Length > 1 ? sizes[1] : 0;
        _size2 = sizes.Length > 2 ? sizes[2] : 0;
        _size3 = sizes.Length > 3 ? sizes[3] : 0;
    }

    /// <summary>Number of dimensions, 0 to 4.</summary>
    public int Rank { get; }

    /// <summary>Number of elements.</summary>
    /// <exception cref="OverflowException">More than 2^31 − 1.</exception>
    public int Elements
    {
        get
        {
            var elements = 1;
            for (var dimension = 0; dimension < Rank; dimension++)
            {
                elements = checked(elements * this[dimension]);
            }

            return elements;
        }
    }

    /// <summary>The size of a dimension.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such dimension.</exception>
    public int this[int dimension]
    {
        get
        {
            if ((uint)dimension >= (uint)Rank)
            {
                throw new ArgumentOutOfRangeException(nameof(dimension), $"shape: dimension {dimension} was asked for, {this} has {Rank}. Check the rank first.");
            }

            return dimension switch { 0 => _size0, 1 => _size1, 2 => _size2, _ => _size3 };
        }
    }

    /// <summary>Whether two shapes are the same.</summary>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Whether two shapes differ.</summary>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(Shape other) =>
        Rank == other.Rank && _size0 == other._size0 && _size1 == other._size1 && _size2 == other._size2 && _size3 == other._size3;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Rank, _size0, _size1, _size2, _size3);

    /// <summary>The sizes with x between them, such as 4x5; the shape of a single number is "scalar".</summary>
    public override string ToString()
    {
        var sizes = new string[Rank];
        for (var dimension = 0; dimension < Rank; dimension++)
        {
            sizes[dimension] = this[dimension].ToString(CultureInfo.InvariantCulture);
        }

        return Rank == 0 ? "scalar" : string.Join('x', sizes);
    }
}
