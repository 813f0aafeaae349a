using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Operations;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Autograd;

/// <summary>The graph and its gates: what each does with the gradient that comes from above.</summary>
public sealed class GraphTests
{
    private static readonly Shape Row = new(3);

    private readonly Graph _graph = new(2);
    private readonly Pass _pass = new() { Rows = 2, Training = true };
    private readonly List<(Variable Variable, float[] Values)> _inputs = [];

    [Fact]
    public void Add_distributes_the_gradient()
    {
        var (x, y, z) = (Input(1, 2, 3, 4, 5, 6), Input(10, 20, 30, 40, 50, 60), _graph.Output(Row));
        _graph.Add(new AddOperation(x, y, z), x, y);
        Run(z, 1, 2, 3, 4, 5, 6);
        AssertBits.Equal([11, 22, 33, 44, 55, 66], z.Value(2), "z");
        AssertBits.Equal([1, 2, 3, 4, 5, 6], x.Gradient(2), "dx");
        AssertBits.Equal([1, 2, 3, 4, 5, 6], y.Gradient(2), "dy");
    }

    [Fact]
    public void Multiply_swaps_the_factors_in_the_gradient()
    {
        var (x, y, z) = (Input(1, 2, 3, 4, 5, 6), Input(10, 20, 30, 40, 50, 60), _graph.Output(Row));
        _graph.Add(new MultiplyOperation(x, y, z), x, y);
        Run(z, 1, 2, 3, -4, 5, 0);
        AssertBits.Equal([10, 40, 90, 160, 250, 360], z.Value(2), "z");
        AssertBits.Equal([10, 40, 90, -160, 250, 0], x.Gradient(2), "dx");
        AssertBits.Equal([1, 4, 9, -16, 25, 0], y.Gradient(2), "dy");
    }

    [Fact]
    public void Max_routes_the_gradient_to_the_larger_one()
    {
        // Of equals the first one wins, so that the gradient goes one way only.
        var (x, y, z) = (Input(1, -2, 3, 4, -5, 0), Input(2, -3, 3, -4, 5, -0f), _graph.Output(Row));
        _graph.Add(new MaxOperation(x, y, z), x, y);
        Run(z, 1, 2, 3, 4, 5, 6);
        AssertBits.Equal([2, -2, 3, 4, 5, 0], z.Value(2), "z");
        AssertBits.Equal([0, 2, 3, 4, 0, 6], x.Gradient(2), "dx");
        AssertBits.Equal([1, 0, 0, 0, 5, 0], y.Gradient(2), "dy");
    }

    [Fact]
    public void A_gate_leaves_alone_what_needs_no_gradient()
    {
        var (x, y, z, u, v) = (Input(1, 2, 3, 4, 5, 6), _graph.Input(Row), _graph.Output(Row), _graph.Input(Row), _graph.Output(Row));
        _graph.Add(new MultiplyOperation(y, x, z), y, x);
        _graph.Add(new MaxOperation(u, z, v), u, z);
        new float[] { 1, 1, 1, 2, 2, 2 }.CopyTo(y.Value(2));
        new float[] { 0, 3, 0, 0, 0, 20 }.CopyTo(u.Value(2));
        Run(v, 1, 2, 3, 4, 5, 6);
        AssertBits.Equal([1, 3, 3, 8, 10, 20], v.Value(2), "v");
        AssertBits.Equal([1, 0, 3, 8, 10, 0], x.Gradient(2), "dx");
    }

    [Fact]
    public void Relu_routes_the_gradient_to_what_was_above_zero()
    {
        // max(x, 0): where 0 was the larger one, or they were equal, nothing reaches x.
        var (x, y) = (Input(1, -2, 0, -0f, 5, -6), _graph.Output(Row));
        _graph.Add(new ActivationOperation<Relu>(default, x, y), x);
        Run(y, 1, 2, 3, 4, 5, 6);
        AssertBits.Equal([1, 0, 0, 0, 5, 0], x.Gradient(2), "dx");
    }

    [Fact]
    public void Copy_adds_the_gradients()
    {
        var (x, y, z) = (Input(1, 2, 3, 4, 5, 6), _graph.Output(Row), _graph.Output(Row));
        _graph.Add(new CopyOperation(x, y, z), x);
        new float[] { 10, 20, 30, 40, 50, 60 }.CopyTo(y.Gradient(2));
        Run(z, 1, 2, 3, 4, 5, 6);
        AssertBits.Equal([1, 2, 3, 4, 5, 6], y.Value(2), "y");
        AssertBits.Equal([1, 2, 3, 4, 5, 6], z.Value(2), "z");
        AssertBits.Equal([11, 22, 33, 44, 55, 66], x.Gradient(2), "dx");
    }

    [Fact]
    public void Branches_that_meet_again_add_up_along_both_ways()
    {
        // z = x + tanh x, so dz/dx = 1 + 1 − tanh².
        var x = Input(0.5f, -1, 2, 0, 1, -3);
        var (left, right, bent, z) = (_graph.Output(Row), _graph.Output(Row), _graph.Output(Row), _graph.Output(Row));
        _graph.Add(new CopyOperation(x, left, right), x);
        _graph.Add(new ActivationOperation<Tanh>(default, right, bent), right);
        _graph.Add(new AddOperation(left, bent, z), left, bent);
        Run(z, 1, 1, 1, 1, 1, 1);
        var expected = Array.ConvertAll(x.Value(2).ToArray(), static value => 2 - Math.Pow(Math.Tanh(value), 2));
        AssertBits.Near(expected, x.Gradient(2), 1e-5, 1e-6, "dx");
    }

    [Fact]
    public void A_variable_that_is_read_twice_is_refused()
    {
        var (x, y, z) = (Input(1, 2, 3, 4, 5, 6), _graph.Output(Row), _graph.Output(Row));
        _graph.Add(new ActivationOperation<Relu>(default, x, y), x);
        var problem = Assert.Throws<InvalidOperationException>(() => _graph.Add(new ActivationOperation<Tanh>(default, x, z), x));
        Assert.Contains("ActivationOperation", problem.Message, StringComparison.Ordinal);
        Assert.Contains("copy operation", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_operation_that_reads_a_variable_twice_is_refused()
    {
        var (x, z) = (Input(1, 2, 3, 4, 5, 6), _graph.Output(Row));
        Assert.Throws<InvalidOperationException>(() => _graph.Add(new AddOperation(x, x, z), x, x));
    }

    [Fact]
    public void A_value_without_a_parameter_behind_it_has_no_gradient()
    {
        var x = _graph.Input(Row);
        var y = _graph.Output(Row, x.NeedsGradient);
        _graph.Add(new ActivationOperation<Relu>(default, x, y), x);
        Assert.Throws<InvalidOperationException>(() => x.Gradient(2).Length);
        _graph.Forward(_pass);
        _graph.Backward(_pass);
    }

    [Fact]
    public void Room_that_is_asked_for_after_the_layout_is_refused()
    {
        Input().Value(1).Clear();
        Assert.Throws<InvalidOperationException>(() => _graph.Output(Row));
    }

    private Variable Input(params float[] values)
    {
        var x = _graph.Input(Row, needsGradient: true);
        _inputs.Add((x, values));
        return x;
    }

    private void Run(Variable output, params float[] gradient)
    {
        foreach (var (variable, values) in _inputs)
        {
            values.CopyTo(variable.Value(2));
        }

        _graph.Forward(_pass);
        gradient.CopyTo(output.Gradient(2));
        _graph.Backward(_pass);
    }
}
