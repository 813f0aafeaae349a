using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>runs.json: whole runs, the loss of each step and the weights at the end, 1e-4 relative, 1e-6 absolute; as one leaf, and as three.</summary>
public sealed class RunGoldenTests
{
    private const string File = "runs";

    // Name of the class in PyTorch → the layer; the sizes come from the start weights of layer i.
    private static readonly Dictionary<string, Func<GoldenCase, int, LayerDefinition?>> Table = new()
    {
        ["Linear"] = static (golden, i) => new LinearDefinition(golden.Arrays("start")[$"{i}.weight"].Rows, golden.Arrays("start").ContainsKey($"{i}.bias")),
        ["BatchNorm1d"] = static (_, _) => new BatchNormDefinition(),
        ["ReLU"] = static (_, _) => new ActivationDefinition(Activation.Relu),
        ["Tanh"] = static (_, _) => new ActivationDefinition(Activation.Tanh),
        ["Sigmoid"] = static (_, _) => new ActivationDefinition(Activation.Sigmoid),
    };

    public static TheoryData<int, string> Rows => GoldenFile.Rows(File, Knows);

    internal static bool Knows(GoldenCase golden) =>
        Layers(golden) is not null
        && LossGoldenTests.Build(golden.Text("loss"), golden) is not null
        && OptimizerGoldenTests.Build(golden.Text("optimizer"), golden) is not null
        && !golden.HasParameter("clipNorm")
        && !golden.HasParameter("l1");

    [Theory]
    [MemberData(nameof(Rows))]
    public void Curve_and_final_weights_agree(int index, string key)
    {
        var golden = GoldenFile.Cases(File)[index];
        var batch = (int)golden.Number("batch");
        foreach (var leafRows in new[] { [batch], Cut(batch) })
        {
            Run(golden, batch, leafRows, $"{key} with leaves of {string.Join(',', leafRows)}");
        }
    }

    private static void Run(GoldenCase golden, int batch, int[] leafRows, string what)
    {
        var (x, t) = (golden.Array("x"), golden.Array("t"));
        var loss = LossGoldenTests.Build(golden.Text("loss"), golden)!;
        var model = new Model(new ModelDefinition(x.Row, Layers(golden)!, new InitialWeights(InitialWeightsKind.Zeros)));
        var training = new LocalTraining(model, loss, OptimizerGoldenTests.Build(golden.Text("optimizer"), golden)!, batch);
        var start = golden.Arrays("start");
        Assert.Equal(model.Layout.Slots.Select(static slot => slot.Name).Order(StringComparer.Ordinal), start.Keys.Order(StringComparer.Ordinal));
        foreach (var slot in model.Layout.Slots)
        {
            start[slot.Name].Floats.CopyTo(training.Parameters[slot.Offset..]);
        }

        var (inputs, targets, labels) = (x.Floats, t.Floats, t.Integers);
        var (columns, outputs) = (x.Row.Elements, model.Output.Elements);
        foreach (var (step, expected) in golden.Array("curve").Values.Index())
        {
            int[] rows = [.. Enumerable.Range(0, batch).Select(r => ((step * batch) + r) % x.Rows)];
            var value = training.Step(
                rows.SelectMany(row => inputs.Skip(row * columns).Take(columns)).ToArray(),
                loss.IsClassification ? [.. rows.Select(row => labels[row])] : [],
                loss.IsClassification ? [] : rows.SelectMany(row => targets.Skip(row * outputs).Take(outputs)).ToArray(),
                leafRows,
                (float)golden.Parameter("learningRate"),
                (float)golden.Parameter("weightDecay", 0));
            AssertBits.Near([expected], [(float)value], 1e-4, 1e-6, $"loss of {what} at step {step}");
        }

        foreach (var slot in model.Layout.Slots)
        {
            AssertBits.Near(golden.Arrays("end")[slot.Name].Values, training.Parameters.Slice(slot.Offset, slot.Shape.Elements), 1e-4, 1e-6, $"{slot.Name} of {what}");
        }

        Assert.Equal(model.Buffers.Slots.Select(static slot => slot.Name).Order(StringComparer.Ordinal), golden.Arrays("buffers").Keys.Order(StringComparer.Ordinal));
        foreach (var slot in model.Buffers.Slots)
        {
            AssertBits.Near(golden.Arrays("buffers")[slot.Name].Values, training.Buffers.Slice(slot.Offset, slot.Shape.Elements), 1e-4, 1e-6, $"{slot.Name} of {what}");
        }
    }

    private static LayerDefinition[]? Layers(GoldenCase golden)
    {
        var layers = golden.Json.GetProperty("layers").EnumerateArray().Select((name, i) => Table.GetValueOrDefault(name.GetString()!)?.Invoke(golden, i)).ToArray();
        var built = layers.OfType<LayerDefinition>().ToArray();
        return built.Length == layers.Length ? built : null;
    }

    // Three uneven leaves.
    private static int[] Cut(int batch) => [1, batch / 2, batch - (batch / 2) - 1];
}
