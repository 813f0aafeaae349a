using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>activations.json: 1e-5 relative, 1e-6 absolute.</summary>
public sealed class ActivationGoldenTests
{
    private const string File = "activations";

    // Name → the layer, or null while a parameter of the case is not known.
    private static readonly Dictionary<string, Func<GoldenCase, LayerDefinition?>> Table = new()
    {
        ["sigmoid"] = static _ => new ActivationDefinition(Activation.Sigmoid),
        ["tanh"] = static _ => new ActivationDefinition(Activation.Tanh),
        ["relu"] = static _ => new ActivationDefinition(Activation.Relu),
    };

    public static TheoryData<int, string> Rows => GoldenFile.Rows(File, Knows);

    internal static bool Knows(GoldenCase golden) => Build(golden) is not null;

    [Theory]
    [MemberData(nameof(Rows))]
    public void Value_and_derivative_agree(int index, string key)
    {
        var golden = GoldenFile.Cases(File)[index];
        var x = golden.Array("x");

        // A list of numbers is one row; a matrix has its rows.
        var (rows, shape) = x.Sizes.Length == 1 ? (1, new Shape(x.Rows)) : (x.Rows, x.Row);
        var (y, dx, _) = new LayerProbe(Build(golden)!, shape, rows).Train(x.Floats, golden.Array("dy").Floats, [rows]);
        AssertBits.Near(golden.Array("y").Values, y, 1e-5, 1e-6, $"y of {key}");
        AssertBits.Near(golden.Array("dx").Values, dx, 1e-5, 1e-6, $"dx of {key}");
    }

    private static LayerDefinition? Build(GoldenCase golden) => Table.GetValueOrDefault(golden.Name)?.Invoke(golden);
}
