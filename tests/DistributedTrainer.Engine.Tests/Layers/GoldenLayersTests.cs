using System.Text.Json;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Golden;

namespace DistributedTrainer.Engine.Tests.Layers;

/// <summary>Every layer against values of PyTorch: outputs, and gradients by input and parameters, to 1e-5 relative and 1e-6 near zero.</summary>
public sealed class GoldenLayersTests
{
    public static TheoryData<int, string> Cases => GoldenFile.Names("layers");

    [Theory]
    [MemberData(nameof(Cases))]
    public void Layer_has_the_reference_values(int index, string name)
    {
        var reference = GoldenFile.Cases("layers")[index];
        var x = reference.GetProperty("x");
        var layer = Layer(name, new LayerParameters(reference.GetProperty("parameters")), reference.GetProperty("weights"));
        var run = new LayerRun(new Shape(x.Shape()[1..]), x.Shape()[0], layer);
        Load(run, reference.GetProperty("weights"));

        var y = run.Forward(x.Floats());
        Assert.Equal(reference.GetProperty("y").Shape()[1..], Sizes(run.Model.Output));
        GoldenFile.Near(reference.GetProperty("y").Doubles(), y, $"{name} y");
        GoldenFile.Near(reference.GetProperty("dx").Doubles(), run.Backward(reference.GetProperty("dy").Floats()), $"{name} dx");
        CompareGradients(run, reference.GetProperty("gradients"), name);
    }

    /// <summary>Copies each weight of the case; each of the model's must be there, in the same shape.</summary>
    internal static void Load(LayerRun run, JsonElement weights)
    {
        Assert.Equal(weights.EnumerateObject().Select(static weight => "0." + weight.Name).Order(), run.Model.Layout.Slots.Select(static slot => slot.Name).Order());
        foreach (var weight in weights.EnumerateObject())
        {
            Assert.Equal(weight.Value.Shape(), Sizes(run.Model.Layout.Slots.Single(slot => slot.Name == "0." + weight.Name).Shape));
            weight.Value.Floats().CopyTo(run.Parameter("0." + weight.Name));
        }
    }

    internal static void CompareGradients(LayerRun run, JsonElement gradients, string name)
    {
        Assert.Equal(run.Model.Layout.Slots.Count, gradients.EnumerateObject().Count());
        foreach (var gradient in gradients.EnumerateObject())
        {
            GoldenFile.Near(gradient.Value.Doubles(), run.Gradient("0." + gradient.Name), $"{name} gradient of {gradient.Name}");
        }
    }

    private static int[] Sizes(Shape shape) => [.. Enumerable.Range(0, shape.Rank).Select(dimension => shape[dimension])];

    private static LayerDefinition Layer(string name, LayerParameters parameters, JsonElement weights)
    {
        LayerDefinition layer;
        switch (name)
        {
            case "linear":
                layer = new LinearDefinition(weights.GetProperty("weight").Shape()[0], parameters.Flag("bias", otherwise: true));
                break;
            case "conv2d":
                Assert.Equal(weights.GetProperty("weight").Shape()[1], parameters.Number("inChannels"));
                layer = new Conv2dDefinition(
                    parameters.Number("outChannels"),
                    parameters.Number("kernel"),
                    parameters.Number("stride", 1),
                    parameters.Number("padding", 0),
                    parameters.Flag("bias", otherwise: true));
                break;
            case "max-pool2d":
                layer = new MaxPool2dDefinition(parameters.Number("kernel"), parameters.Number("stride", 0));
                break;
            case "avg-pool2d":
                layer = new AvgPool2dDefinition(parameters.Number("kernel"), parameters.Number("stride", 0));
                break;
            case "global-avg-pool2d":
                layer = new GlobalAvgPool2dDefinition();
                break;
            case "layer-norm":
                Assert.Equal(weights.GetProperty("weight").Shape()[0], parameters.Number("size"));
                layer = new LayerNormDefinition((float)parameters.Real("epsilon", 1e-5));
                break;
            default:
                throw new InvalidOperationException($"golden: the layer {name} is unknown to this test. Add it.");
        }

        parameters.AllRead();
        return layer;
    }
}

/// <summary>The parameters of a layer's case; one that was not read is an error.</summary>
internal sealed class LayerParameters(JsonElement element)
{
    private readonly HashSet<string> _read = [];

    public int Number(string name) => Find(name) is { } value ? value.GetInt32() : throw new InvalidOperationException($"golden: the parameter {name} is missing.");

    public int Number(string name, int otherwise) => Find(name)?.GetInt32() ?? otherwise;

    public double Real(string name, double otherwise) => Find(name)?.GetDouble() ?? otherwise;

    public bool Flag(string name, bool otherwise) => Find(name)?.GetBoolean() ?? otherwise;

    public void AllRead() => Assert.Empty(element.EnumerateObject().Select(static property => property.Name).Except(_read));

    private JsonElement? Find(string name)
    {
        _read.Add(name);
        return element.TryGetProperty(name, out var value) ? value : null;
    }
}
