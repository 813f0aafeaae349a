using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tests.Layers;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>layers.json: 1e-5 relative, 1e-6 absolute; as one leaf, and cut into leaves of one row.</summary>
public sealed class LayerGoldenTests
{
    private const string File = "layers";

    public static TheoryData<int, string> Rows => GoldenFile.Rows(File);

    [Theory]
    [MemberData(nameof(Rows))]
    public void Value_and_gradients_agree(int index, string key)
    {
        var golden = GoldenFile.Cases(File)[index];
        var x = golden.Array("x");
        var layer = Build(golden);
        golden.AllRead();
        var run = new LayerRun(x.Row, x.Rows, layer);
        SetWeights(run, golden.Arrays("weights"));
        Assert.Equal(golden.Array("y").Row, run.Model.Output);
        foreach (var leafRows in new[] { [x.Rows], Enumerable.Repeat(1, x.Rows).ToArray() })
        {
            TrainAndCompare(run, golden, leafRows, $"{key} with leaves of {string.Join(',', leafRows)}");
        }
    }

    /// <summary>Copies each weight of the case; each of the model's must be there, in the same shape.</summary>
    internal static void SetWeights(LayerRun run, Dictionary<string, GoldenArray> weights)
    {
        Assert.Equal(weights.Keys.Select(static name => "0." + name).Order(StringComparer.Ordinal), run.Model.Layout.Slots.Select(static slot => slot.Name).Order(StringComparer.Ordinal));
        foreach (var slot in run.Model.Layout.Slots)
        {
            var golden = weights[slot.Name[2..]];
            Assert.Equal(new(golden.Sizes), slot.Shape);
            golden.Floats.CopyTo(run.Parameter(slot.Name));
        }
    }

    /// <summary>Forward and backward over leaves of so many rows; gradients are summed over them.</summary>
    internal static void TrainAndCompare(LayerRun run, GoldenCase golden, int[] leafRows, string what)
    {
        var y = run.Forward(golden.Array("x").Floats, training: true, [.. leafRows.Index()]);
        AssertBits.Near(golden.Array("y").Values, y, 1e-5, 1e-6, $"y of {what}");
        AssertBits.Near(golden.Array("dx").Values, run.Backward(golden.Array("dy").Floats), 1e-5, 1e-6, $"dx of {what}");
        var gradients = golden.Arrays("gradients");
        Assert.Equal(run.Model.Layout.Slots.Count, gradients.Count);
        foreach (var (name, expected) in gradients)
        {
            AssertBits.Near(expected.Values, run.GradientSum("0." + name), 1e-5, 1e-6, $"gradient of {name} of {what}");
        }
    }

    // Sizes that the weights say are checked against them.
    private static LayerDefinition Build(GoldenCase golden)
    {
        int Whole(string name, double? defaultValue = null) => (int)golden.Parameter(name, defaultValue);
        switch (golden.Name)
        {
            case "linear":
                return new LinearDefinition(golden.Arrays("weights")["weight"].Rows, golden.Switch("bias", true));
            case "conv2d":
                Assert.Equal(golden.Arrays("weights")["weight"].Sizes[1], Whole("inChannels"));
                return new Conv2dDefinition(Whole("outChannels"), Whole("kernel"), Whole("stride", 1), Whole("padding", 0), golden.Switch("bias", true));
            case "max-pool2d":
                return new MaxPool2dDefinition(Whole("kernel"), Whole("stride", 0));
            case "avg-pool2d":
                return new AvgPool2dDefinition(Whole("kernel"), Whole("stride", 0));
            case "global-avg-pool2d":
                return new GlobalAvgPool2dDefinition();
            case "layer-norm":
                Assert.Equal(golden.Arrays("weights")["weight"].Rows, Whole("size"));
                return new LayerNormDefinition((float)golden.Parameter("epsilon", 1e-5));
            default:
                throw golden.Unknown("the layer");
        }
    }
}
