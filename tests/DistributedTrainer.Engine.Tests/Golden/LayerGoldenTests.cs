using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>layers.json: 1e-5 relative, 1e-6 absolute; as one leaf, and cut into leaves of one row.</summary>
public sealed class LayerGoldenTests
{
    private const string File = "layers";

    // Name → the layer, or null while a parameter of the case is not known. Sizes that the weights say are taken from them.
    private static readonly Dictionary<string, Func<GoldenCase, LayerDefinition?>> Table = new()
    {
        ["linear"] = static golden => golden.HasOnly("bias") ? new LinearDefinition(golden.Arrays("weights")["weight"].Rows, golden.Switch("bias", true)) : null,
    };

    public static TheoryData<int, string> Rows => GoldenFile.Rows(File, Knows);

    internal static bool Knows(GoldenCase golden) => Build(golden) is not null;

    [Theory]
    [MemberData(nameof(Rows))]
    public void Value_and_gradients_agree(int index, string key)
    {
        var golden = GoldenFile.Cases(File)[index];
        var x = golden.Array("x");
        var layer = new LayerProbe(Build(golden)!, x.Row, x.Rows);
        layer.SetWeights(golden.Arrays("weights"));

        foreach (var leafRows in new[] { [x.Rows], Enumerable.Repeat(1, x.Rows).ToArray() })
        {
            var (y, dx, gradients) = layer.Train(x.Floats, golden.Array("dy").Floats, leafRows);
            Assert.Equal(golden.Array("y").Row.Elements, layer.Output.Elements);
            AssertBits.Near(golden.Array("y").Values, y, 1e-5, 1e-6, $"y of {key}");
            AssertBits.Near(golden.Array("dx").Values, dx, 1e-5, 1e-6, $"dx of {key}");
            foreach (var (name, expected) in golden.Arrays("gradients"))
            {
                AssertBits.Near(expected.Values, gradients[name], 1e-5, 1e-6, $"gradient of {name} of {key}");
            }
        }
    }

    private static LayerDefinition? Build(GoldenCase golden) => Table.GetValueOrDefault(golden.Name)?.Invoke(golden);
}
