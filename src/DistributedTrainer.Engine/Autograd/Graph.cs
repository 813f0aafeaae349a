using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Autograd;

/// <summary>
/// A computation graph that is built once and run many times: operations in the order of building, backwards in the
/// reverse order. All values live in one arena, so a warm run allocates nothing.
/// </summary>
public sealed class Graph(int maximumRows)
{
    private readonly Arena _arena = new();
    private readonly List<Operation> _operations = [];

    // For each operation: it and those before it read the parameters before this one.
    private readonly List<int> _ends = [];
    private int _end;

    /// <summary>Bytes of all values and gradients of the graph as it is built so far; they are taken with the first run.</summary>
    internal long Bytes => (long)_arena.Length * sizeof(float);

    /// <summary>The most rows that a batch may have.</summary>
    public int MaximumRows { get; } = maximumRows;

    /// <summary>The element-wise activation layers, in the order of building: what diagnostics look at.</summary>
    internal List<ActivationTap> Activations { get; } = [];

    /// <summary>What each layer writes, in the order of building; several that run as one have one output.</summary>
    internal List<(string Layer, Variable Value)> Outputs { get; } = [];

    /// <summary>The operations whose weight gradients are bounded by less than all of them.</summary>
    internal IEnumerable<IBoundedGradient> BoundedGradients => _operations.OfType<IBoundedGradient>();

    /// <summary>A value that comes from outside.</summary>
    public Variable Input(Shape shape, bool needsGradient = false) => new(_arena, shape, MaximumRows, needsGradient) { IsInput = true };

    /// <summary>An operation's output.</summary>
    public Variable Output(Shape shape, bool needsGradient = true) => new(_arena, shape, MaximumRows, needsGradient);

    /// <summary>Room that an operation keeps from forward to backward (rows, columns).</summary>
    public Func<int, Span<float>> Room(int columns)
    {
        var variable = new Variable(_arena, new Shape(columns), MaximumRows, needsGradient: false);
        return variable.Value;
    }

    /// <summary>The variable as rows of another shape: the same numbers in the same place. Counts as its one reader.</summary>
    /// <exception cref="ArgumentException">The number of elements differs.</exception>
    /// <exception cref="InvalidOperationException">It is read already.</exception>
    public Variable Reshape(Variable x, Shape shape)
    {
        ArgumentNullException.ThrowIfNull(x);
        MarkRead(x, "reshape");
        return x.Reshape(shape);
    }

    /// <summary>Appends an operation that reads these variables.</summary>
    /// <exception cref="InvalidOperationException">One of them is read already.</exception>
    public void Add(Operation operation, params ReadOnlySpan<Variable> reads)
    {
        ArgumentNullException.ThrowIfNull(operation);
        foreach (var variable in reads)
        {
            MarkRead(variable, operation.GetType().Name);
        }

        _operations.Add(operation);
        _ends.Add(_end);
    }

    /// <summary>The operations that are added from now on may read the parameters before this one; layers lie in the flat vector in the order of building.</summary>
    internal void Uses(int end) => _end = Math.Max(_end, end);

    /// <summary>Runs all operations in order.</summary>
    public void Forward(Pass pass)
    {
        var there = 0;
        for (var i = 0; i < _operations.Count; i++)
        {
            if (_ends[i] > there && pass.Flow is { } flow)
            {
                flow.Await(there = _ends[i]);
            }

            _operations[i].Forward(pass);
        }
    }

    /// <summary>Runs all operations backwards; the gradient of the last output must be there.</summary>
    public void Backward(Pass pass)
    {
        for (var i = _operations.Count - 1; i >= 0; i--)
        {
            _operations[i].Backward(pass);
            var left = i == 0 ? 0 : _ends[i - 1];
            if (left < _ends[i] && pass.Flow is { } flow)
            {
                flow.Done(left);
            }
        }
    }

    /// <summary>The operations that take means and variances of their inputs, in order.</summary>
    internal IEnumerable<IBatchMoments> BatchMoments => _operations.OfType<IBatchMoments>();

    private static void MarkRead(Variable variable, string reader)
    {
        if (variable.IsRead)
        {
            throw new InvalidOperationException($"{reader}: its input is read by another operation already. Put a copy operation between them.");
        }

        variable.IsRead = true;
    }
}
