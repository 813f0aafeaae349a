using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Tests.Layers;

public sealed class ReshapeTests
{
    [Fact]
    public void Flatten_moves_no_number()
    {
        var run = new LayerRun(new Shape(2, 3, 4), 5, new FlattenDefinition());
        var values = LayerRun.Numbers(5 * 24, 1);
        Assert.Equal(new Shape(24), run.Model.Output);
        Assert.Equal(values, run.Forward(values));
        Assert.Equal(values, run.Backward(values));
    }

    [Fact]
    public void A_reshaped_variable_lies_where_the_first_one_lies_and_has_no_other_reader()
    {
        var graph = new Graph(2);
        var x = graph.Input(new Shape(2, 3), needsGradient: true);
        var flat = graph.Reshape(x, new Shape(6));
        x.Value(2)[7] = 5;
        Assert.Equal(5, flat.Value(2)[7]);
        flat.Gradient(2)[3] = 4;
        Assert.Equal(4, x.Gradient(2)[3]);
        Assert.Contains("read by another operation", Assert.Throws<InvalidOperationException>(() => graph.Reshape(x, new Shape(6))).Message);
    }

    [Fact]
    public void A_shape_with_another_number_of_elements_is_refused()
    {
        var graph = new Graph(2);
        var x = graph.Input(new Shape(2, 3));
        var message = Assert.Throws<ArgumentException>(() => graph.Reshape(x, new Shape(5))).Message;
        Assert.Contains("2x3 has 6 elements, 5 has 5", message);
    }
}
