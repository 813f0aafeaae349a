using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>runs.json: whole runs, the loss of each step and the weights at the end, 1e-4 relative, 1e-6 absolute; as one leaf, and as three.</summary>
public sealed class RunGoldenTests
{
    private const string File = "runs";

    public static TheoryData<int, string> Rows => GoldenFile.Rows(File);

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
        var loss = LossGoldenTests.Build(golden.Text("loss"), golden);
        var model = new Model(new ModelDefinition(x.Row, Layers(golden), new InitialWeights(InitialWeightsKind.Zeros)));
        var clipNorm = golden.Parameter("clipNorm", 0);
        var training = new LocalTraining(model, loss, OptimizerGoldenTests.Build(golden.Text("optimizer"), golden), batch)
        {
            WeightDecay = (float)golden.Parameter("weightDecay", 0),

            // The runs' weight decay applies to biases too, their L1 to weights only; none has both.
            DecayBiases = golden.Parameter("l1", 0) == 0,
            L1 = (float)golden.Parameter("l1", 0),
            ClipNorm = clipNorm > 0 ? clipNorm : null,
        };
        var learningRate = (float)golden.Parameter("learningRate");
        golden.AllRead();
        var start = golden.Arrays("start");
        Assert.Equal(model.Layout.Slots.Select(static slot => slot.Name).Order(StringComparer.Ordinal), start.Keys.Order(StringComparer.Ordinal));
        foreach (var slot in model.Layout.Slots)
        {
            start[slot.Name].Floats.CopyTo(training.Parameters[slot.Offset..]);
        }

        var (inputs, targets, labels) = (x.Floats, t.Floats, LossGoldenTests.Labels(loss, t));
        var (columns, outputs) = (x.Row.Elements, model.Output.Elements);
        Assert.Equal(golden.Number("steps"), golden.Array("curve").Rows);
        foreach (var (step, expected) in golden.Array("curve").Values.Index())
        {
            int[] rows = [.. Enumerable.Range(0, batch).Select(r => ((step * batch) + r) % x.Rows)];
            var value = training.Step(
                rows.SelectMany(row => inputs.Skip(row * columns).Take(columns)).ToArray(),
                loss.Targets == LossTargets.Classes ? [.. rows.Select(row => labels[row])] : [],
                loss.Targets == LossTargets.Classes ? [] : rows.SelectMany(row => targets.Skip(row * outputs).Take(outputs)).ToArray(),
                leafRows,
                learningRate);
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

    // Names are those of the classes in PyTorch, with their defaults; the sizes come from the start weights of layer i.
    private static LayerDefinition[] Layers(GoldenCase golden)
    {
        var start = golden.Arrays("start");
        return [.. golden.Texts("layers").Select((name, i) => (LayerDefinition)(name switch
        {
            "Linear" => new LinearDefinition(start[$"{i}.weight"].Rows, start.ContainsKey($"{i}.bias")),
            "BatchNorm1d" => new BatchNormDefinition(),
            "ReLU" => new ActivationDefinition(Activation.Relu),
            "Tanh" => new ActivationDefinition(Activation.Tanh),
            "Sigmoid" => new ActivationDefinition(Activation.Sigmoid),
            "ELU" => new ActivationDefinition(Activation.Elu),
            _ => throw golden.Unknown($"the layer {name}"),
        }))];
    }

    // Three uneven leaves.
    private static int[] Cut(int batch) => [1, batch / 2, batch - (batch / 2) - 1];
}
