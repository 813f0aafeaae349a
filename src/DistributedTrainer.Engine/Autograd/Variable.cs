using DistributedTrainer.Engine.Operations;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Autograd;

/// <summary>
/// A value in the computation graph, one row a sample, and the gradient of the loss by it. Each variable is read by one
/// operation at most (a copy operation makes two of one), so gradients are written, never accumulated.
/// </summary>
public sealed class Variable
{
    private readonly Arena _arena;
    private readonly int _value;
    private readonly int _gradient;
    private readonly int _maximumRows;

    // Kept from the first use on, since a warm step allocates nothing.
    private Tensor? _valueTensor;
    private Tensor? _gradientTensor;

    internal Variable(Arena arena, Shape shape, int maximumRows, bool needsGradient)
    {
        _arena = arena;
        _maximumRows = maximumRows;
        Shape = shape;
        Columns = shape.Elements;
        NeedsGradient = needsGradient;
        _value = arena.Reserve(new Shape(maximumRows, Columns));
        _gradient = needsGradient ? arena.Reserve(new Shape(maximumRows, Columns)) : -1;
    }

    private Variable(Variable source, Shape shape)
    {
        _arena = source._arena;
        _maximumRows = source._maximumRows;
        Shape = shape;
        Columns = shape.Elements;
        (NeedsGradient, IsInput) = (source.NeedsGradient, source.IsInput);
        _value = source._value;
        _gradient = source._gradient;
    }

    /// <summary>Shape of one row.</summary>
    public Shape Shape { get; }

    /// <summary>Elements of one row.</summary>
    public int Columns { get; }

    /// <summary>Whether a parameter lies behind it; the gradient by data is not computed.</summary>
    public bool NeedsGradient { get; }

    internal bool IsRead { get; set; }

    /// <summary>Whether these are the numbers that the model is given, in any shape.</summary>
    internal bool IsInput { get; init; }

    /// <summary>The activation that was fused into the operation that makes this value; null: none.</summary>
    internal FusedActivation? Activation { get; set; }

    /// <summary>The same value and gradient, read as rows of another shape.</summary>
    /// <exception cref="ArgumentException">The number of elements differs.</exception>
    internal Variable Reshape(Shape shape) => shape.Elements == Columns
        ? new Variable(this, shape)
        : throw new ArgumentException($"reshape: a row of shape {Shape} has {Columns} elements, {shape} has {shape.Elements}; they must be equal.", nameof(shape));

    /// <summary>The first rows of the value (rows, Columns).</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no room for so many rows.</exception>
    public Span<float> Value(int rows) => (_valueTensor ??= _arena.Tensor(_value)).Span[..Elements(rows)];

    /// <summary>The first rows of the gradient (rows, Columns).</summary>
    /// <exception cref="InvalidOperationException">No gradient is computed here.</exception>
    public Span<float> Gradient(int rows) => _gradient >= 0
        ? (_gradientTensor ??= _arena.Tensor(_gradient)).Span[..Elements(rows)]
        : throw new InvalidOperationException("variable: nothing behind this value needs a gradient, so it has none.");

    private int Elements(int rows) => (uint)rows <= (uint)_maximumRows
        ? rows * Columns
        : throw new ArgumentOutOfRangeException(nameof(rows), $"variable: {rows} rows were asked for, there is room for {_maximumRows} rows. Build the graph for more.");
}
